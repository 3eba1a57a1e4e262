import { Fault, type SecretBytes } from '@sallyport/formats';
import { parseShare, type RekeyStatus, type RekeyStep } from '#keyring';
import { type Call, type Handler, type PathSpec, prepared, type Reply } from '../backend.ts';
import { badRequest } from '../errors.ts';
import type { JsonObject } from '../fields.ts';
import { requireRightToEnd } from './ceremony-right.ts';
import type { Sys } from './ports.ts';
import { shareTexts } from './share-texts.ts';

type Target = RekeyStatus['target'];

/** What the client of the ceremony asked for. In memory of this process, as the ceremony is. */
interface Client {
  verifies: boolean;
}

const open = { reason: 'the shares are the right; a token may be what nobody has' } as const;

/**
 * New shares in place of old ones. The keyring is always asked to have them verified; where the client did not ask for
 * it, they are brought back here, when the answer that holds them is written down and about to leave. So whatever fails,
 * shares are in force that somebody has.
 */
export function rekeyPaths(): readonly PathSpec[] {
  return [
    ...pathsOf('rekey', 'seal'),
    ...pathsOf('rekey-recovery-key', 'recovery'),
    ...['rekey/backup', 'rekey/recovery-key-backup'].map(
      (pattern): PathSpec => ({
        pattern,
        synopsis: 'Shares are never kept, so there is nothing to give back.',
        on: {
          read: () => {
            throw badRequest('no backed-up keys found');
          },
          delete: () => ({}),
        },
      }),
    ),
  ];
}

function pathsOf(path: string, target: Target): PathSpec[] {
  const client: Client = { verifies: false };
  const fields: PathSpec['fields'] = {
    key: { type: 'string', doc: 'A share, in hexadecimal or base64.' },
    nonce: { type: 'string', doc: 'Names the ceremony.' },
  };
  return [
    {
      pattern: `${path}/init`,
      synopsis: 'Begin to replace the shares, show how far it is, or end it.',
      open,
      fields: {
        secret_shares: { type: 'integer', doc: 'How many new shares.' },
        secret_threshold: { type: 'integer', doc: 'How many of them open.' },
        require_verification: {
          type: 'boolean',
          doc: 'Whether new shares must come back before the old ones end.',
        },
      },
      on: {
        read: prepared({
          prepare: ({ core }) => statusOf(core.sys, target, client),
          decide: (_call, data) => ({ data, bare: true }),
        }),
        update: prepared({
          prepare: async (call) => {
            await start(call, target, client);
            return await statusOf(call.core.sys, target, client);
          },
          decide: (_call, data) => ({ data, bare: true }),
        }),
        delete: ender(target, (sys) => sys.keyring.rekey.cancel()),
      },
    },
    {
      pattern: `${path}/update`,
      synopsis: 'Bring a share that is in force.',
      open,
      fields,
      on: {
        update: prepared({
          prepare: async (call) => {
            const step = await withShare(call, (share, nonce) =>
              call.core.sys.keyring.rekey.prove(share, nonce),
            );
            return step.shares === undefined
              ? { data: await statusOf(call.core.sys, target, client) }
              : { ...proven(step, step.shares, client), data: undefined };
          },
          decide: (call, told): Reply =>
            told.data === undefined
              ? {
                  data: { nonce: call.fields.text('nonce'), ...told.answer },
                  bare: true,
                  beforeSent: () => told.finish(call.core.sys),
                }
              : { data: told.data, bare: true },
        }),
      },
    },
    {
      pattern: `${path}/verify`,
      synopsis: 'Bring a new share back; with the last one the old shares end.',
      open,
      fields,
      on: {
        read: prepared({
          prepare: async ({ core }) => verification(core.sys),
          decide: (_call, data) => ({ data, bare: true }),
        }),
        update: prepared({
          prepare: (call) =>
            withShare(call, (share, nonce) => call.core.sys.keyring.rekey.verify(share, nonce)),
          decide: (call, step): Reply => ({
            data: step.complete
              ? { complete: true, nonce: call.fields.text('nonce') }
              : verificationOf(step.status),
            bare: true,
          }),
        }),
        delete: prepared({
          prepare: async (call) => {
            requireRightToEnd(call, call.core.sys.keyring.rekey.status().nonce);
            verification(call.core.sys);
            return verificationOf(call.core.sys.keyring.rekey.restartVerification());
          },
          decide: (_call, data) => ({ data, bare: true }),
        }),
      },
    },
  ];
}

async function start(call: Call, target: Target, client: Client): Promise<void> {
  const { fields, core, caller } = call;
  if (fields.list('pgp_keys').length > 0 || fields.boolean('backup', false)) {
    throw badRequest('expected no pgp_keys and no backup: shares are not encrypted here and never kept');
  }
  const split = {
    shares: fields.integer('secret_shares', 5),
    threshold: fields.integer('secret_threshold', 3),
  };
  const actor = { kind: 'person' as const, id: caller?.token.accessor ?? 'share-holders' };
  const step = await core.sys.keyring.rekey.start({ ...split, target, verify: true }, actor);
  client.verifies = fields.boolean('require_verification', false);
  if (step.shares === undefined) return;
  // Nobody held shares before, so there is nothing to bring, and no answer of this path that could hold the new ones.
  for (const share of step.shares) share.wipe();
  core.sys.keyring.rekey.cancel();
  throw badRequest('expected shares that are in force, got none: recovery shares are made by sys/init');
}

/** The answer with the new shares, and what to do when it is written down. */
function proven(step: RekeyStep, shares: readonly SecretBytes[], client: Client) {
  const byClient = client.verifies;
  const { nonce, threshold } = step.status;
  const texts = shareTexts(shares);
  const kept = byClient ? [] : shares.slice(0, threshold);
  for (const share of shares) if (!kept.includes(share)) share.wipe();
  return {
    answer: {
      complete: true,
      ...texts,
      pgp_fingerprints: null,
      backup: false,
      verification_required: byClient,
      ...(byClient ? { verification_nonce: nonce } : {}),
    } satisfies JsonObject,
    finish: async ({ keyring }: Sys): Promise<void> => {
      try {
        for (const share of kept) await keyring.rekey.verify(share, nonce);
      } finally {
        for (const share of kept) share.wipe();
      }
    },
  };
}

async function withShare<T>(call: Call, use: (share: SecretBytes, nonce: string) => Promise<T>): Promise<T> {
  const key = call.fields.text('key').trim();
  if (key === '') throw badRequest("'key' must be specified in request body as JSON");
  const share = parseShare(key);
  try {
    return await use(share, call.fields.text('nonce'));
  } finally {
    share.wipe();
  }
}

function ender(target: Target, end: (sys: Sys) => void): Handler {
  return prepared({
    prepare: async (call) => {
      const status = call.core.sys.keyring.rekey.status();
      if (!status.started || status.target !== target) return;
      requireRightToEnd(call, status.nonce);
      end(call.core.sys);
    },
    decide: () => ({}),
  });
}

async function statusOf({ keyring }: Sys, target: Target, client: Client): Promise<JsonObject> {
  const now = keyring.rekey.status();
  const own = now.started && now.target === target;
  const waiting = own && now.stage === 'verify';
  return {
    nonce: own && !waiting ? now.nonce : '',
    started: own,
    t: own ? now.threshold : 0,
    n: own ? now.shares : 0,
    progress: own && !waiting ? now.progress : 0,
    required: (await keyring.status()).threshold,
    pgp_fingerprints: null,
    backup: false,
    verification_required: own && client.verifies,
    ...(waiting ? { verification_nonce: now.nonce } : {}),
  };
}

function verification({ keyring }: Sys): JsonObject {
  const now = keyring.rekey.status();
  if (!now.started || now.stage !== 'verify')
    throw new Fault('invalid', 'vault.no_rekey', 'no rekey configuration found');
  return verificationOf(now);
}

function verificationOf({ started, nonce, threshold, shares, progress }: RekeyStatus): JsonObject {
  return { started, nonce, t: threshold, n: shares, progress };
}
