import { equalBytes } from '../bytes/bytes.ts';
import { fromHex } from '../bytes/encodings.ts';
import { sha256 } from '../crypto/sha256.ts';
import { Fault } from '../fault.ts';
import {
  parseTuf,
  requireSignatures,
  type TufFile,
  type TufMeta,
  type TufMetadata,
  type TufRole,
  type TufRoot,
} from './metadata.ts';

/** The bytes of a file of the repository, by its path in it; undefined where there is none. */
export type ReadTufFile = (path: string) => Promise<Uint8Array | undefined>;

export interface VerifiedTuf {
  readonly root: TufRoot;
  readonly versions: Readonly<Record<TufRole, number>>;
  /** The earliest end of any of the four. */
  readonly expires: string;
  readonly targets: ReadonlyMap<string, Uint8Array>;
}

const maxRotations = 256;

/** That `next` may take the place of `current`: one version more, signed by a threshold of both (section 5.3). */
export function verifyNextRoot(current: TufRoot | undefined, next: TufMetadata<'root'>): void {
  const expected = (current?.version ?? 0) + 1;
  if (next.signed.version !== expected) {
    throw new Fault(
      'conflict',
      'formats.tuf_version',
      `expected root version ${expected}, got ${next.signed.version}`,
    );
  }
  if (current !== undefined) requireSignatures(current, 'root', next);
  requireSignatures(next.signed, 'root', next);
}

/**
 * Reads a whole repository as a client does at its first visit (TUF 1.0.31 section 5), from the root that is pinned:
 * each newer root by the one before, then timestamp, snapshot, targets and every target's bytes. Throws Fault
 * `formats.tuf_…` at the first thing that is not as it was signed, or has ended.
 *
 * It remembers nothing, so a repository that is set back to an older state, not yet expired, verifies.
 */
export async function verifyTuf(read: ReadTufFile, pinned: Uint8Array, now: Date): Promise<VerifiedTuf> {
  let file = parseTuf('root', pinned);
  requireSignatures(file.signed, 'root', file);
  for (let rotations = 0; ; rotations += 1) {
    const bytes = await read(`${file.signed.version + 1}.root.json`);
    if (bytes === undefined) break;
    if (rotations >= maxRotations) {
      throw new Fault('exhausted', 'formats.tuf_rotations', `expected at most ${maxRotations} newer roots`);
    }
    const next = parseTuf('root', bytes);
    verifyNextRoot(file.signed, next);
    file = next;
  }
  const root = file.signed;
  requireCurrent(file, now);

  const timestamp = await readRole(read, 'timestamp', 'timestamp.json', root, now);
  const snapshotMeta = timestamp.signed.meta['snapshot.json'];
  const snapshot = await readRole(
    read,
    'snapshot',
    `${snapshotMeta.version}.snapshot.json`,
    root,
    now,
    snapshotMeta,
  );
  const targetsMeta = snapshot.signed.meta['targets.json'];
  const targets = await readRole(
    read,
    'targets',
    `${targetsMeta.version}.targets.json`,
    root,
    now,
    targetsMeta,
  );

  const contents = new Map<string, Uint8Array>();
  for (const [name, target] of Object.entries(targets.signed.targets)) {
    const path = tufTargetPath(name, target);
    const bytes = await required(read, path);
    requireSame(path, bytes, target);
    contents.set(name, bytes);
  }
  const all = [root, timestamp.signed, snapshot.signed, targets.signed];
  return {
    root,
    versions: {
      root: root.version,
      timestamp: timestamp.signed.version,
      snapshot: snapshot.signed.version,
      targets: targets.signed.version,
    },
    expires: all.map((payload) => payload.expires).sort()[0] ?? root.expires,
    targets: contents,
  };
}

/** Where a target lies in a repository with consistent snapshots: its hash is part of its name. */
export function tufTargetPath(name: string, { hashes }: TufFile): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) {
    throw new Fault(
      'invalid',
      'formats.tuf_target',
      `expected a plain file name, got ${JSON.stringify(name)}`,
    );
  }
  return `targets/${hashes.sha256}.${name}`;
}

async function readRole<Role extends TufRole>(
  read: ReadTufFile,
  role: Role,
  path: string,
  root: TufRoot,
  now: Date,
  meta?: TufMeta,
): Promise<TufMetadata<Role>> {
  const bytes = await required(read, path);
  if (meta !== undefined) requireSame(path, bytes, meta);
  const file = parseTuf(role, bytes);
  requireSignatures(root, role, file);
  // Two versions under one name are a mix of two states, also when both were signed.
  if (meta !== undefined && file.signed.version !== meta.version) throw differs(path, 'version');
  requireCurrent(file, now);
  return file;
}

async function required(read: ReadTufFile, path: string): Promise<Uint8Array> {
  const bytes = await read(path);
  if (bytes !== undefined) return bytes;
  throw new Fault('not_found', 'formats.tuf_missing', `expected ${path} in the repository, found nothing`);
}

function requireSame(path: string, bytes: Uint8Array, expected: TufFile): void {
  if (bytes.length !== expected.length) throw differs(path, 'length');
  if (!equalBytes(sha256(bytes), fromHex(expected.hashes.sha256))) throw differs(path, 'hash');
}

function requireCurrent({ signed }: TufMetadata, now: Date): void {
  if (now.getTime() < Date.parse(signed.expires)) return;
  throw new Fault(
    'integrity',
    'formats.tuf_expired',
    `expected ${signed._type}.json to be current, it ended at ${signed.expires}`,
    { hint: 'fetch the repository again; one that is not renewed may be held back by somebody' },
  );
}

function differs(path: string, what: string): Fault {
  return new Fault('integrity', 'formats.tuf_differs', `expected the signed ${what} of ${path}, got another`);
}
