import {
  digestHex,
  digestOf,
  parseTuf,
  requireSignatures,
  type TufFile,
  type TufPayloads,
  type TufRole,
  type TufRoot,
  tufTargetPath,
  writeTuf,
} from '@sallyport/formats';
import type { TufStoredFile } from './store.ts';

/** A key of the keyring that signs roles. */
export interface RoleSigner {
  readonly publicKeySpki: Uint8Array;
  sign(bytes: Uint8Array): Uint8Array;
}

/** `targets` says what is true, `online` only that it is the newest: the one can move out of the server later. */
export interface RoleSigners {
  readonly targets: RoleSigner;
  readonly online: RoleSigner;
}

/** Of TUF, by which readers compare the first number. */
const specVersion = '1.0.31';
const dayMs = 86_400_000;

/**
 * How long each role holds, and how long before its end it is written anew. A timestamp is renewed each day, so that
 * readers who are kept from new ones notice within a week, and a server may be down for six days.
 */
const terms = {
  timestamp: { days: 7, renewDays: 6 },
  snapshot: { days: 21, renewDays: 14 },
  targets: { days: 90, renewDays: 60 },
} as const;
type OnlineRole = keyof typeof terms;

export interface RolesNow {
  readonly root: TufRoot;
  readonly targets: TufStoredFile | undefined;
  readonly snapshot: TufStoredFile | undefined;
  readonly timestamp: TufStoredFile | undefined;
}

/**
 * The files that have to be written for the repository to say `contents` and to be current at `now`, in the order in
 * which they may become visible: what names another comes after it, so each prefix of the list is a whole repository.
 */
export function nextFiles(
  current: RolesNow,
  contents: ReadonlyMap<string, Uint8Array>,
  signers: RoleSigners,
  now: Date,
): readonly TufStoredFile[] {
  const { root } = current;
  const files: TufStoredFile[] = [];
  const named: Record<string, TufFile> = {};
  for (const [name, bytes] of contents) {
    named[name] = fileOf(bytes);
    const path = tufTargetPath(name, named[name]);
    files.push({ path, role: 'target', version: 0, bytes, expiresAt: undefined, writtenAt: now });
  }

  function write(role: OnlineRole, before: TufStoredFile | undefined, rest: object): TufStoredFile {
    const version = (before?.version ?? 0) + 1;
    const expiresAt = new Date(Math.floor(now.getTime() / 1000) * 1000 + terms[role].days * dayMs);
    const payload = {
      _type: role,
      spec_version: specVersion,
      version,
      expires: `${expiresAt.toISOString().slice(0, 19)}Z`,
      ...rest,
      // Each caller below gives the members that its role has; reading it back checks that.
    } as TufPayloads[OnlineRole];
    const bytes = writeTuf(payload, [role === 'targets' ? signers.targets : signers.online]);
    requireSignatures(root, role, parseTuf(role, bytes));
    const path = role === 'timestamp' ? 'timestamp.json' : `${version}.${role}.json`;
    const file = { path, role, version, bytes, expiresAt, writtenAt: now };
    files.push(file);
    return file;
  }

  const holds = (role: OnlineRole, file: TufStoredFile | undefined): file is TufStoredFile =>
    file !== undefined &&
    (file.expiresAt?.getTime() ?? 0) - now.getTime() > terms[role].renewDays * dayMs &&
    isSigned(root, role, file);

  const targets =
    holds('targets', current.targets) && sameTargets(current.targets, named)
      ? current.targets
      : write('targets', current.targets, { targets: named });
  const snapshot =
    holds('snapshot', current.snapshot) && targets === current.targets
      ? current.snapshot
      : write('snapshot', current.snapshot, { meta: { 'targets.json': metaOf(targets) } });
  if (!holds('timestamp', current.timestamp) || snapshot !== current.snapshot)
    write('timestamp', current.timestamp, { meta: { 'snapshot.json': metaOf(snapshot) } });
  return files;
}

/** After a root that gives the role to other keys, what the old ones signed counts no more. */
function isSigned(root: TufRoot, role: TufRole, { bytes }: TufStoredFile): boolean {
  try {
    requireSignatures(root, role, parseTuf(role, bytes));
    return true;
  } catch {
    return false;
  }
}

function sameTargets({ bytes }: TufStoredFile, wanted: Readonly<Record<string, TufFile>>): boolean {
  const { targets } = parseTuf('targets', bytes).signed;
  const names = Object.keys(targets);
  return (
    names.length === Object.keys(wanted).length &&
    names.every((name) => targets[name]?.hashes.sha256 === wanted[name]?.hashes.sha256)
  );
}

function fileOf(bytes: Uint8Array): TufFile {
  return { length: bytes.length, hashes: { sha256: digestHex(digestOf(bytes)) } };
}

function metaOf(file: TufStoredFile): TufFile & { readonly version: number } {
  return { ...fileOf(file.bytes), version: file.version };
}
