import { parseShare, type QuorumStatus } from '#keyring';
import type { Random } from '#platform';
import { type Call, type PathSpec, prepared, type Reply } from '../backend.ts';
import { badRequest } from '../errors.ts';
import type { JsonObject } from '../fields.ts';
import { issueRoot } from '../tokens/root.ts';
import { requireRightToEnd } from './ceremony-right.ts';

/** With 24 letters: clients check that their one-time password is as long as the token will be. */
const servicePrefix = 'hvs.';
const secretLength = 24;
const otpLength = servicePrefix.length + secretLength;
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

const open = { reason: 'for the day when nobody has a root token: the shares are the right' } as const;

/**
 * A threshold of share holders makes a root token. Whoever began chose or got a one-time password, and only with it the
 * answer to the last share can be read.
 */
export function generateRootPaths(): readonly PathSpec[] {
  /** The password of the ceremony by its nonce. In memory of this process, as the ceremony is. */
  const otps = new Map<string, string>();
  return [
    {
      pattern: 'generate-root/attempt',
      synopsis: 'Begin to make a root token, show how far it is, or end it.',
      open,
      fields: {
        otp: { type: 'string', doc: `A one-time password of ${otpLength} characters; made when absent.` },
      },
      on: {
        read: prepared({
          prepare: ({ core }) => core.sys.keyring.rootQuorum.status(),
          decide: (_call, status) => ({ data: statusOf(status), bare: true }),
        }),
        update: prepared({
          prepare: (call) => begin(call, otps),
          decide: (_call, data) => ({ data, bare: true }),
        }),
        delete: prepared({
          prepare: async (call) => {
            const { rootQuorum } = call.core.sys.keyring;
            requireRightToEnd(call, (await rootQuorum.status()).nonce);
            rootQuorum.cancel();
            otps.clear();
          },
          decide: () => ({}),
        }),
      },
    },
    {
      pattern: 'generate-root/update',
      synopsis: 'Bring a share.',
      open,
      fields: {
        key: { type: 'string', doc: 'A share, in hexadecimal or base64.' },
        nonce: { type: 'string', doc: 'Names the ceremony.' },
      },
      on: { update: prepared({ prepare: (call) => bring(call, otps), decide }) },
    },
    {
      pattern: 'decode-token',
      synopsis: 'Reads an encoded root token with its one-time password.',
      open: { reason: 'computes on what is in the request and knows nothing else' },
      fields: {
        encoded_token: { type: 'string', doc: 'From the answer to the last share.' },
        otp: { type: 'string', doc: 'The one-time password.' },
      },
      on: {
        update: ({ fields }) => ({
          data: {
            token: xor(
              Buffer.from(fields.required('encoded_token'), 'base64'),
              fields.required('otp'),
            ).toString('utf8'),
          },
        }),
      },
    },
  ];
}

async function begin({ fields, core }: Call, otps: Map<string, string>): Promise<JsonObject> {
  if (fields.text('pgp_key') !== '') {
    throw badRequest('expected an otp, got a pgp_key: tokens are not encrypted with PGP here');
  }
  const given = fields.text('otp');
  // Plain ASCII: one character is one byte of the token.
  if (given !== '' && (given.length !== otpLength || !/^[\x20-\x7e]+$/.test(given))) {
    throw badRequest(
      `otp string is wrong length: expected ${otpLength} printable characters, got ${given.length}`,
    );
  }
  const otp = given === '' ? randomLetters(core.random, otpLength) : given;
  const status = await core.sys.keyring.rootQuorum.start();
  otps.clear();
  otps.set(status.nonce, otp);
  return { ...statusOf(status), ...(given === '' ? { otp } : {}) };
}

interface Brought {
  readonly status: QuorumStatus;
  /** Present with the last share. */
  readonly otp: string | undefined;
}

async function bring({ fields, core }: Call, otps: Map<string, string>): Promise<Brought> {
  const { rootQuorum } = core.sys.keyring;
  const nonce = fields.text('nonce');
  if (nonce === '') throw badRequest('nonce is required');
  if (fields.text('key') === '') throw badRequest('key is required');
  const share = parseShare(fields.text('key').trim());
  try {
    const before = await rootQuorum.status();
    if (!(await rootQuorum.add(share, nonce))) return { status: await rootQuorum.status(), otp: undefined };
    const otp = otps.get(nonce);
    otps.clear();
    if (otp === undefined) throw badRequest('expected a ceremony that was begun on this server, got another');
    return { status: { ...before, nonce, progress: before.required }, otp };
  } finally {
    share.wipe();
  }
}

function decide(call: Call, { status, otp }: Brought): Reply {
  if (otp === undefined) return { data: { ...statusOf(status), started: true }, bare: true };
  const chosen = servicePrefix + randomLetters(call.core.random, secretLength);
  const { token } = issueRoot(call.turn, call.core, chosen);
  const encoded = xor(Buffer.from(token), otp).toString('base64').replace(/=+$/, '');
  const done = { started: true, complete: true, encoded_token: encoded, encoded_root_token: encoded };
  return { data: { ...statusOf(status), ...done }, bare: true };
}

function statusOf({ started, nonce, progress, required }: QuorumStatus): JsonObject {
  return {
    nonce,
    started,
    progress,
    required,
    complete: false,
    encoded_token: '',
    encoded_root_token: '',
    pgp_fingerprint: '',
    otp: '',
    otp_length: otpLength,
  };
}

function xor(bytes: Buffer, otp: string): Buffer {
  const pad = Buffer.from(otp);
  if (bytes.length !== pad.length) {
    throw badRequest(`expected an otp of ${bytes.length} characters, got ${pad.length}`);
  }
  return Buffer.from(bytes.map((byte, at) => byte ^ (pad[at] ?? 0)));
}

function randomLetters(random: Random, length: number): string {
  let text = '';
  while (text.length < length) {
    for (const byte of random.bytes(64)) {
      // 248 is four times the letters: a higher byte would favour some of them.
      if (byte < 248 && text.length < length) text += letters[byte % letters.length];
    }
  }
  return text;
}
