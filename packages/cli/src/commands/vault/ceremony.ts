import { Fault } from '@sallyport/formats';
import type { VaultClient } from '@sallyport/sdk';
import type { Command, Flag, Invocation } from '../../command.ts';
import { readSecret } from '../../input.ts';
import { fieldsOf, lines, textOf, textsOf } from './answers.ts';
import { withVault } from './connect.ts';

type Fields = Readonly<Record<string, unknown>>;

const steps: Readonly<Record<string, Flag>> = {
  start: { type: 'boolean', doc: 'begin, and print the nonce that the others give' },
  nonce: {
    type: 'string',
    value: 'NONCE',
    doc: 'that of --start, so that no share goes to another ceremony',
  },
  status: { type: 'boolean', doc: 'say how far it is' },
  cancel: { type: 'boolean', doc: 'end it without a result' },
};

export const operatorRekey: Command = {
  name: ['vault', 'operator', 'rekey'],
  summary: 'replace the shares of the root key; the old ones hold until the new ones were brought back',
  more: [
    'One starts it. Each holder of an old share gives it, from standard input or when asked; with the last of them the',
    'new shares are printed, once. Then holders give new shares with --verify, until the old ones end.',
  ],
  flags: {
    ...steps,
    verify: { type: 'boolean', doc: 'bring a new share back' },
    shares: { type: 'string', value: 'COUNT', doc: 'with --start: how many new shares, default 5' },
    threshold: {
      type: 'string',
      value: 'COUNT',
      doc: 'with --start: how many of them open the server, default 3',
    },
  },
  examples: [
    'sally vault operator rekey --start --shares 5 --threshold 3',
    'sally vault operator rekey --nonce 2dbd10f1',
    'sally vault operator rekey --verify --nonce 2dbd10f1 < my-new-share.txt',
  ],
  run: async (invocation) => {
    const { out, on } = invocation;
    if (on('start')) {
      const shares = invocation.count('shares', 1, 255) ?? 5;
      const threshold = invocation.count('threshold', 1, 255) ?? Math.min(3, shares);
      const body = { secret_shares: shares, secret_threshold: threshold, require_verification: true };
      return await began(invocation, await ask(invocation, 'POST', 'sys/rekey/init', body));
    }
    if (await watched(invocation, 'sys/rekey/init')) return undefined;
    const path = on('verify') ? 'sys/rekey/verify' : 'sys/rekey/update';
    const done = await share(invocation, on('verify') ? path : 'sys/rekey/init', path);
    if (done['complete'] !== true) return progress(invocation, done);
    if (on('verify')) {
      out.data(done, () => 'the new shares are in force, the old ones are not any more');
      return undefined;
    }
    const keys = textsOf(done['keys_base64']);
    out.data(done, () => keys.map((key, index) => `share ${index + 1}: ${key}`).join('\n'));
    out.note('not shown again, and not in force yet: bring them back with');
    out.note(`sally vault operator rekey --verify --nonce ${textOf(done['verification_nonce'])}`);
    return undefined;
  },
};

export const operatorGenerateRoot: Command = {
  name: ['vault', 'operator', 'generate-root'],
  summary: 'make a root token, if enough holders of shares agree',
  more: [
    'Who starts it gets a one-time password. The last share brings an encoded token, which only that password reads:',
    'sally vault operator generate-root --decode TOKEN, with the password from standard input or when asked.',
  ],
  flags: {
    ...steps,
    decode: { type: 'string', value: 'TOKEN', doc: 'read an encoded token with the one-time password' },
  },
  examples: [
    'sally vault operator generate-root --start',
    'sally vault operator generate-root --nonce 2dbd10f1 < my-share.txt',
    'sally vault operator generate-root --decode Lx0bBgA3 < one-time-password.txt',
  ],
  run: async (invocation) => {
    const { out, on, flag } = invocation;
    const encoded = flag('decode');
    if (encoded !== undefined) {
      const token = decoded(encoded, (await readSecret('one-time password')).exposeUtf8().trim());
      out.data({ token }, () => token);
      return undefined;
    }
    const attempt = 'sys/generate-root/attempt';
    if (on('start')) return await began(invocation, await ask(invocation, 'POST', attempt, {}));
    if (await watched(invocation, attempt)) return undefined;
    const done = await share(invocation, attempt, 'sys/generate-root/update');
    if (done['complete'] !== true) return progress(invocation, done);
    out.data(done, () => textOf(done['encoded_token']));
    out.note('sally vault operator generate-root --decode reads it with the one-time password');
    return undefined;
  },
};

function began({ out }: Invocation, fields: Fields): undefined {
  out.data(fields, () =>
    lines({
      nonce: fields['nonce'],
      ...(fields['otp'] === undefined ? {} : { 'one-time password': fields['otp'] }),
    }),
  );
  const needed = textOf(fields['required']);
  out.note(`${needed} shares are needed; their holders give the same command with --nonce`);
  return undefined;
}

function progress({ out }: Invocation, fields: Fields): undefined {
  out.data(
    fields,
    () => `${textOf(fields['progress'])} of ${textOf(fields['required'] ?? fields['t'])} shares`,
  );
  return undefined;
}

/** `--status` and `--cancel`, the same for every ceremony. */
async function watched(invocation: Invocation, path: string): Promise<boolean> {
  const { out, on } = invocation;
  if (!on('status') && !on('cancel')) return false;
  const status = await ask(invocation, 'GET', path);
  if (on('status')) {
    out.data(status, () => (status['started'] === true ? lines(status) : 'none has been started'));
    return true;
  }
  await ask(invocation, 'DELETE', path, { nonce: status['nonce'] });
  out.data({ cancelled: true }, () => 'cancelled');
  return true;
}

async function share(invocation: Invocation, statusPath: string, path: string): Promise<Fields> {
  const status = await ask(invocation, 'GET', statusPath);
  const nonce = textOf(status['nonce']);
  if (status['started'] !== true && nonce === '') {
    throw new Fault('precondition', 'cli.no_ceremony', 'expected a ceremony, none has been started', {
      hint: '--start begins one',
    });
  }
  const expected = invocation.flag('nonce');
  if (expected !== undefined && expected !== nonce) {
    throw new Fault(
      'conflict',
      'cli.other_ceremony',
      `expected the ceremony ${expected}, the server has ${nonce}`,
      {
        hint: 'ask who started it before a share is given to another one',
      },
    );
  }
  const key = await readSecret('share');
  const body = { nonce, key: key.exposeUtf8().trim() };
  key.wipe();
  return await ask(invocation, 'POST', path, body);
}

/** The shares are the right: no token is sent, and none is needed. */
async function ask(
  invocation: Invocation,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: Fields,
): Promise<Fields> {
  return await withVault(invocation, async (client: VaultClient) => {
    const answer = await client.openRequest({ method, path, body });
    const fields = fieldsOf(answer.plain());
    answer.wipe();
    return fields;
  });
}

/** The token XOR the password, in base64 without padding. */
function decoded(encoded: string, password: string): string {
  const bytes = Buffer.from(encoded, 'base64');
  const mask = Buffer.from(password, 'latin1');
  const token = Buffer.from(bytes.map((byte, index) => byte ^ (mask[index] ?? 0))).toString('latin1');
  if (bytes.length > 0 && bytes.length === mask.length && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new Fault(
    'invalid',
    'cli.decode',
    'expected a token and its one-time password of the same length, got others',
  );
}
