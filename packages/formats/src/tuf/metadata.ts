import { fromUtf8, utf8 } from '../bytes/bytes.ts';
import { fromHex, toHex } from '../bytes/encodings.ts';
import { verifyP256 } from '../crypto/signatures.ts';
import { Fault } from '../fault.ts';
import { closed, integer, list, oneOf, open, plainObject, record, type Shape, text } from '../json/shape.ts';
import { parseStrictJson } from '../json/strict.ts';
import { olpcJson } from './canonical.ts';
import { type TufKey, tufKey, tufKeyId, tufKeyShape, tufKeySpki } from './key.ts';

export const tufRoles = ['root', 'targets', 'snapshot', 'timestamp'] as const;
export type TufRole = (typeof tufRoles)[number];

interface Common<Role extends TufRole> {
  readonly _type: Role;
  /** Of the specification; readers compare the first number. */
  readonly spec_version: string;
  readonly version: number;
  /** RFC 3339 in UTC, whole seconds. */
  readonly expires: string;
}

export interface TufDelegation {
  readonly keyids: readonly string[];
  readonly threshold: number;
}

export interface TufRoot extends Common<'root'> {
  readonly consistent_snapshot: true;
  readonly keys: Readonly<Record<string, TufKey>>;
  readonly roles: Readonly<Record<TufRole, TufDelegation>>;
}

/** What is signed of a file that another one names. */
export interface TufFile {
  readonly length: number;
  readonly hashes: { readonly sha256: string };
}
export interface TufTargets extends Common<'targets'> {
  readonly targets: Readonly<Record<string, TufFile>>;
}
export interface TufMeta extends TufFile {
  readonly version: number;
}
export interface TufSnapshot extends Common<'snapshot'> {
  readonly meta: { readonly 'targets.json': TufMeta };
}
export interface TufTimestamp extends Common<'timestamp'> {
  readonly meta: { readonly 'snapshot.json': TufMeta };
}

export interface TufPayloads {
  readonly root: TufRoot;
  readonly targets: TufTargets;
  readonly snapshot: TufSnapshot;
  readonly timestamp: TufTimestamp;
}

/** One file of a repository, read, its signatures not yet checked: `requireSignatures` does that. */
export interface TufMetadata<Role extends TufRole = TufRole> {
  readonly signed: TufPayloads[Role];
  readonly signedBytes: Uint8Array;
  readonly signatures: ReadonlyArray<{ readonly keyid: string; readonly sig: string }>;
}

/** Largest metadata file, in bytes; tuf-js takes 16 KiB of a timestamp, and more of the others. */
export const maxTufBytes: Readonly<Record<TufRole, number>> = {
  root: 262_144,
  targets: 262_144,
  snapshot: 16_384,
  timestamp: 16_384,
};

const hash = text(64, /^[0-9a-f]{64}$/);
const version = integer(1, 2 ** 31 - 1);
const expires = text(20, /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/);
const specVersion = text(20, /^1\.[0-9]+(?:\.[0-9]+)?$/);
const common = { spec_version: specVersion, version, expires };
const hashes = open<TufFile['hashes']>({ sha256: hash }, {});
const meta = open<TufMeta>({ length: integer(1), hashes, version }, {});
const delegation = open<TufDelegation>({ keyids: list(hash, 16, 1), threshold: integer(1, 16) }, {});

const rootShape = open<TufRoot>(
  {
    _type: oneOf('root'),
    ...common,
    consistent_snapshot: onlyTrue,
    keys: record(tufKeyShape, 32),
    roles: open<TufRoot['roles']>(
      { root: delegation, targets: delegation, snapshot: delegation, timestamp: delegation },
      {},
    ),
  },
  {},
);
const targetsShape = open<TufTargets>(
  {
    _type: oneOf('targets'),
    ...common,
    targets: record(open<TufFile>({ length: integer(0), hashes }, {}), 100),
  },
  {},
);
const snapshotShape = open<TufSnapshot>(
  { _type: oneOf('snapshot'), ...common, meta: open<TufSnapshot['meta']>({ 'targets.json': meta }, {}) },
  {},
);
const timestampShape = open<TufTimestamp>(
  { _type: oneOf('timestamp'), ...common, meta: open<TufTimestamp['meta']>({ 'snapshot.json': meta }, {}) },
  {},
);
const shapes: { readonly [R in TufRole]: Shape<TufPayloads[R]> } = {
  root: rootShape,
  targets: targetsShape,
  snapshot: snapshotShape,
  timestamp: timestampShape,
};

interface Envelope {
  readonly signed: Readonly<Record<string, unknown>>;
  readonly signatures: TufMetadata['signatures'];
}
const envelopeShape = closed<Envelope>(
  {
    signed: plainObject,
    signatures: list(
      closed<TufMetadata['signatures'][number]>({ keyid: hash, sig: text(200, /^(?:[0-9a-f]{2})*$/) }, {}),
      32,
    ),
  },
  {},
);

/** Reads one metadata file. Unknown members of a payload are passed over, as TUF demands, but are signed along. */
export function parseTuf<Role extends TufRole>(role: Role, bytes: Uint8Array): TufMetadata<Role> {
  const { signed, signatures } = envelopeShape(
    parseStrictJson(fromUtf8(bytes), { maxBytes: maxTufBytes[role] }),
    role,
  );
  // The shape of this very role, which the compiler does not follow through the index.
  const payload = shapes[role](signed, `${role}.signed`) as TufPayloads[Role];
  if (payload._type === 'root') requireSoundRoot(payload);
  return { signed: payload, signedBytes: olpcJson(signed), signatures };
}

/** A file for `payload`, signed by each of `signers`: ECDSA P-256 in DER over the canonical form. */
export function writeTuf(
  payload: TufPayloads[TufRole],
  signers: ReadonlyArray<{ readonly publicKeySpki: Uint8Array; sign(bytes: Uint8Array): Uint8Array }>,
): Uint8Array {
  const bytes = olpcJson(payload);
  const signatures = signers.map((signer) => ({
    keyid: tufKeyId(tufKey(signer.publicKeySpki)),
    sig: toHex(signer.sign(bytes)),
  }));
  return utf8(`${JSON.stringify({ signatures, signed: payload })}\n`);
}

/**
 * That a threshold of the keys which `root` gives the role has signed. A signature that does not verify counts for
 * nothing and refuses nothing: a root in rotation is signed by keys that one of both roots does not know.
 */
export function requireSignatures(root: TufRoot, role: TufRole, file: TufMetadata): void {
  const { keyids, threshold } = root.roles[role];
  const signed = new Set<string>();
  for (const { keyid, sig } of file.signatures) {
    const key = root.keys[keyid];
    if (key === undefined || !keyids.includes(keyid) || signed.has(keyid)) continue;
    if (verifyP256(tufKeySpki(key), file.signedBytes, fromHex(sig))) signed.add(keyid);
  }
  if (signed.size >= threshold) return;
  throw new Fault(
    'integrity',
    'formats.tuf_signatures',
    `expected ${role}.json version ${file.signed.version} signed by ${threshold} of its keys in root version ${root.version}, found ${signed.size}`,
  );
}

/** Every key under its own id, and thresholds that can be reached. */
function requireSoundRoot(root: TufRoot): void {
  for (const [id, key] of Object.entries(root.keys)) {
    tufKeySpki(key);
    if (tufKeyId(key) !== id) throw unsound('each key under the hash of itself');
  }
  for (const role of tufRoles) {
    const { keyids, threshold } = root.roles[role];
    if (new Set(keyids).size !== keyids.length) throw unsound(`each key of ${role} once`);
    if (keyids.some((id) => root.keys[id] === undefined)) throw unsound(`the keys of ${role} in it`);
    if (threshold > keyids.length) throw unsound(`a threshold of ${role} that its keys can reach`);
  }
}

function unsound(expected: string): Fault {
  return new Fault('invalid', 'formats.tuf_root', `expected a root with ${expected}, got another`);
}

function onlyTrue(value: unknown, at: string): true {
  if (value === true) return true;
  throw new Fault('invalid', 'formats.tuf_root', `expected true at ${at}: snapshots of it are consistent`);
}
