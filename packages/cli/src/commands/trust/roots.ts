import {
  Fault,
  fromUtf8,
  parseTuf,
  requireSignatures,
  type TufRoot,
  tufKey,
  tufKeyId,
  tufKeySpki,
  tufRoot,
  writeTuf,
} from '@sallyport/formats';
import type { Client } from '@sallyport/sdk';
import type { Command, Flag, Invocation } from '../../command.ts';
import { connect } from '../../connect.ts';
import { type RootKey, readOrMakeRootKey, readRootKey } from './root-key.ts';
import {
  addServerKeys,
  readTrust,
  rotateTimestampKey,
  sendRoot,
  serverKeys,
  type TrustView,
  tufReader,
} from './server-trust.ts';

const defaultDays = 365;
const dayMs = 86_400_000;

const flags: Readonly<Record<string, Flag>> = {
  threshold: {
    type: 'string',
    value: 'N',
    doc: 'how many of the keys must sign the next root; default more than half',
  },
  days: { type: 'string', value: 'DAYS', doc: `how long this root holds, default ${defaultDays}` },
};

export const trustInit: Command = {
  name: ['trust', 'init'],
  summary: 'begin a TUF repository, with root keys that the server does not have',
  more: [
    'Key files that are not there yet are made, readable by you only. Afterwards give them to different people, or',
    'put them where no machine has them: with a threshold of them one can replace every other key, and without',
    'them nobody can.',
  ],
  flags: {
    'root-key': { type: 'string', many: true, value: 'FILE', doc: 'a key of root; give it several times' },
    ...flags,
  },
  examples: [
    'sally trust init --root-key ada.pem --root-key riley.pem --root-key safe.pem --threshold 2',
    'cosign initialize --mirror http://127.0.0.1:7270/tuf --root root.json',
  ],
  run: async (invocation) => {
    const client = connect(invocation);
    const trust = await readTrust(client);
    if (trust.root !== undefined) {
      throw new Fault(
        'conflict',
        'cli.already_there',
        `expected no root yet, there is version ${trust.root.version}`,
        {
          hint: 'sally trust rotate makes the next one',
        },
      );
    }
    const files = filesOf(invocation, 'root-key');
    const keys = files.map(readOrMakeRootKey);
    const payload = draft(invocation, trust, 1, spkisOf(keys), undefined);
    const after = await sendRoot(client, fromUtf8(writeTuf(payload, keys)));
    report(invocation, after, keys);
    const { address } = invocation.settings;
    invocation.out.note(`clients pin the first root: curl -o root.json ${address}/tuf/1.root.json`);
    return undefined;
  },
};

export const trustRotate: Command = {
  name: ['trust', 'rotate'],
  summary: 'make the next root: other keys, another threshold, or only another year',
  more: ['Clients follow by themselves, as the keys before and the new ones sign it.'],
  flags: {
    'root-key': {
      type: 'string',
      many: true,
      value: 'FILE',
      doc: 'a key of the root there is; as many as its threshold',
    },
    'new-root-key': {
      type: 'string',
      many: true,
      value: 'FILE',
      doc: 'all keys of the next root, made if not there; default the same as before',
    },
    ...flags,
    'server-keys': {
      type: 'boolean',
      doc: 'also replace the keys that the server signs targets, snapshot and timestamp with',
    },
    timestamps: {
      type: 'boolean',
      doc: 'not the root: a new key for timestamps; the one before stays believed for its time',
    },
  },
  examples: [
    'sally trust rotate --root-key ada.pem --root-key riley.pem',
    'sally trust rotate --root-key ada.pem --root-key riley.pem --server-keys',
    'sally trust rotate --timestamps',
    'sally trust rotate --root-key ada.pem --root-key safe.pem --new-root-key ada.pem --new-root-key kim.pem',
  ],
  run: async (invocation) => {
    const client = connect(invocation);
    if (invocation.on('timestamps')) return await rotateTimestamps(invocation, client);
    const trust = await (invocation.on('server-keys') ? addServerKeys : readTrust)(client);
    const bytes = await tufReader(client)('root.json');
    if (trust.root === undefined || bytes === undefined) throw noRoot();
    const current = parseTuf('root', bytes);
    const old = filesOf(invocation, 'root-key').map(readRootKey);
    requireSeenBefore(current, old);
    const next = invocation.flags('new-root-key').map(readOrMakeRootKey);
    const same = next.length === 0;
    const keys = same ? rootSpkis(current.signed) : spkisOf(next);
    const payload = draft(
      invocation,
      trust,
      current.signed.version + 1,
      keys,
      same ? current.signed.roles.root.threshold : undefined,
    );
    const signers = [...old, ...next].filter(
      (key, index, all) => all.findIndex((other) => idOf(other) === idOf(key)) === index,
    );
    report(invocation, await sendRoot(client, fromUtf8(writeTuf(payload, signers))), next);
    return undefined;
  },
};

async function rotateTimestamps(invocation: Invocation, client: Client): Promise<undefined> {
  if (['root-key', 'new-root-key', 'threshold', 'days'].some((name) => invocation.flag(name) !== undefined)) {
    throw new Fault('invalid', 'cli.usage', 'expected --timestamps alone, as it takes no key of root');
  }
  const made = await rotateTimestampKey(client);
  invocation.out.data(made, () => `timestamps have key ${made.number}, ${made.keyId}`);
  return undefined;
}

export function noRoot(): Fault {
  return new Fault('not_found', 'cli.no_root', 'expected a TUF repository on the server, there is none', {
    hint: 'sally trust init begins one',
  });
}

function filesOf(invocation: Invocation, flag: string): readonly string[] {
  const files = invocation.flags(flag);
  if (files.length > 0 && new Set(files).size === files.length) return files;
  throw new Fault(
    'invalid',
    'cli.usage',
    `expected --${flag} once for each key, got ${files.length === 0 ? 'none' : 'one of them twice'}`,
  );
}

/**
 * The root comes from the server, and its keys go into the next one: a server that is not ours any more could name
 * keys of its own. Only a root that one of the keys at hand has signed before is built upon.
 */
function requireSeenBefore(current: ReturnType<typeof parseTuf<'root'>>, keys: readonly RootKey[]): void {
  for (const key of keys) {
    const mine = tufRoot({
      version: 1,
      expires: new Date(0),
      rootKeys: [key.publicKeySpki],
      threshold: 1,
      targetsKey: key.publicKeySpki,
      onlineKey: key.publicKeySpki,
    });
    try {
      requireSignatures(mine, 'root', current);
      return;
    } catch {
      // Another of the keys may have signed it.
    }
  }
  throw new Fault(
    'integrity',
    'cli.root_unknown',
    `expected root version ${current.signed.version} of the server to be signed by one of the keys given, it is not`,
    { hint: 'give a key that signed it; if none of them did, the server shows a root that is not yours' },
  );
}

function draft(
  invocation: Invocation,
  trust: TrustView,
  version: number,
  rootKeys: readonly Uint8Array[],
  thresholdBefore: number | undefined,
): TufRoot {
  const days = invocation.count('days', 7, 3650) ?? defaultDays;
  const majority = Math.floor(rootKeys.length / 2) + 1;
  const threshold = invocation.count('threshold', 1, rootKeys.length) ?? thresholdBefore ?? majority;
  const expires = new Date(Date.now() + days * dayMs);
  return tufRoot({ version, expires, rootKeys, threshold, ...serverKeys(trust) });
}

function report({ out }: Invocation, { root, installation }: TrustView, keys: readonly RootKey[]): void {
  if (root === undefined) throw noRoot();
  const made = keys.filter((key) => key.made).map(({ file }) => file);
  out.data({ ...root, made }, () =>
    [
      `root version ${root.version} of ${installation}: ${root.threshold} of ${root.keyIds.length} keys, until ${root.expires}`,
      ...made.map((file) => `made ${file}`),
    ].join('\n'),
  );
}

const idOf = ({ publicKeySpki }: RootKey): string => tufKeyId(tufKey(publicKeySpki));
const spkisOf = (keys: readonly RootKey[]): readonly Uint8Array[] =>
  keys.map(({ publicKeySpki }) => publicKeySpki);

function rootSpkis(root: TufRoot): readonly Uint8Array[] {
  return root.roles.root.keyids.flatMap((id) => {
    const key = root.keys[id];
    return key === undefined ? [] : [tufKeySpki(key)];
  });
}
