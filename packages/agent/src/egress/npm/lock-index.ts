import type { Integrity } from '@sallyport/formats';
import { sameIntegrity, strongIntegrity } from './integrity.ts';

/** What an entry of a lock file must say to be looked up here; `parsePackageLock` of formats gives more. */
export interface LockEntry {
  readonly name: string;
  readonly version: string;
  readonly integrity?: string | undefined;
  readonly hasInstallScript?: boolean | undefined;
}

export type Locked =
  | { readonly kind: 'absent' }
  /** In the lock, but with nothing strong to compare bytes with. */
  | { readonly kind: 'unverifiable' }
  /** Two entries, or two lock files, want different bytes under one name and version. */
  | { readonly kind: 'conflicting' }
  | { readonly kind: 'verifiable'; readonly integrity: Integrity; readonly hasInstallScript: boolean };

/** All lock files of the commit together, by name and version: an entry may have no `resolved`. */
export interface LockIndex {
  find(name: string, version: string): Locked;
  /** Versions the lock names of one package; none when it does not know the package. */
  versionsOf(name: string): readonly string[];
  readonly size: number;
}

export function createLockIndex(entries: readonly LockEntry[]): LockIndex {
  const found = new Map<string, Locked>();
  const versions = new Map<string, Set<string>>();
  for (const entry of entries) {
    const key = `${entry.name}@${entry.version}`;
    versions.set(entry.name, (versions.get(entry.name) ?? new Set()).add(entry.version));
    found.set(key, merge(found.get(key), entry));
  }
  return {
    find: (name, version) => found.get(`${name}@${version}`) ?? { kind: 'absent' },
    versionsOf: (name) => [...(versions.get(name) ?? [])],
    size: found.size,
  };
}

function merge(before: Locked | undefined, entry: LockEntry): Locked {
  const integrity = strongIntegrity(entry.integrity);
  const hasInstallScript = entry.hasInstallScript === true;
  // An entry without a digest next to one with a digest is verified by the other's: the bytes are the same package.
  if (integrity === undefined) return before ?? { kind: 'unverifiable' };
  if (before === undefined || before.kind === 'unverifiable' || before.kind === 'absent') {
    return { kind: 'verifiable', integrity, hasInstallScript };
  }
  if (before.kind === 'conflicting') return before;
  if (!sameIntegrity(before.integrity, integrity)) return { kind: 'conflicting' };
  return { ...before, hasInstallScript: before.hasInstallScript || hasInstallScript };
}
