import { Fault } from '../fault.ts';
import { boolean, integer, open, plainObject, record, type Shape, text } from '../json/shape.ts';
import { parseStrictJson } from '../json/strict.ts';
import { checkNpmName, checkNpmVersion } from './purl.ts';

/** One package that a lock file installs from outside the repository. */
export interface LockedPackage {
  /** Where it is unpacked: `node_modules/a/node_modules/@s/b`. */
  readonly path: string;
  /** The package's own name, also where it is installed under an alias. */
  readonly name: string;
  readonly version: string;
  readonly integrity?: string;
  /** Where npm got it when the lock file was written; npm may leave it out. */
  readonly resolved?: string;
  readonly dev: boolean;
  readonly optional: boolean;
  /** Comes inside the tarball of the package above it, so has no integrity of its own. */
  readonly bundled: boolean;
  readonly hasInstallScript: boolean;
}

interface LockEntry {
  readonly version?: string;
  readonly name?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
  readonly inBundle?: boolean;
  readonly hasInstallScript?: boolean;
  readonly link?: boolean;
}

interface LockFile {
  readonly lockfileVersion: number;
  readonly packages: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const maxLockBytes = 64 * 1024 * 1024;

const lockShape: Shape<LockFile> = open<LockFile>(
  { lockfileVersion: integer(1), packages: record(plainObject, 100_000) },
  {},
);

const entryShape: Shape<LockEntry> = open<LockEntry>(
  {},
  {
    version: text(200),
    name: text(214),
    integrity: text(1000),
    resolved: text(4000),
    dev: boolean,
    optional: boolean,
    devOptional: boolean,
    inBundle: boolean,
    hasInstallScript: boolean,
    link: boolean,
  },
);

/**
 * The packages of a package-lock.json, version 2 or 3, in its order. Links and workspace folders are left out: they are
 * part of the source. A missing `integrity` is not an error here but a finding for who examines the result.
 */
export function parsePackageLock(lockfileText: string): readonly LockedPackage[] {
  const json = parseStrictJson(lockfileText, { maxBytes: maxLockBytes });
  const version = open<{ readonly lockfileVersion: number }>({ lockfileVersion: integer(1) }, {})(
    json,
    'lock',
  );
  if (version.lockfileVersion !== 2 && version.lockfileVersion !== 3) {
    throw new Fault(
      'invalid',
      'formats.lock_version',
      `expected lockfileVersion 2 or 3, got ${version.lockfileVersion}`,
      { hint: 'write the lock file again with npm 7 or later' },
    );
  }
  const packages: LockedPackage[] = [];
  for (const [path, value] of Object.entries(lockShape(json, 'lock').packages)) {
    const entry = entryShape(value, `lock.packages[${JSON.stringify(path.slice(0, 200))}]`);
    checkPath(path);
    const inModules = /(?:^|\/)node_modules\//.test(path);
    if (inModules && entry.link !== true) packages.push(lockedPackage(path, entry));
  }
  return packages;
}

function lockedPackage(path: string, entry: LockEntry): LockedPackage {
  const marker = 'node_modules/';
  const name = entry.name ?? path.slice(path.lastIndexOf(marker) + marker.length);
  checkNpmName(name);
  if (entry.version === undefined) throw refusedPath(path, 'a version');
  checkNpmVersion(entry.version);
  return {
    path,
    name,
    version: entry.version,
    ...(entry.integrity === undefined ? {} : { integrity: entry.integrity }),
    ...(entry.resolved === undefined ? {} : { resolved: entry.resolved }),
    dev: entry.dev === true,
    optional: entry.optional === true || entry.devOptional === true,
    bundled: entry.inBundle === true,
    hasInstallScript: entry.hasInstallScript === true,
  };
}

/** A path is a place on disk to whoever installs: it must stay inside the project. */
function checkPath(path: string): void {
  // npm writes workspace folders outside the project as "../name"; those are links' targets and never installed.
  const segments = path.split('/');
  if (path.includes('\\') || path.startsWith('/') || path.length > 4096)
    throw refusedPath(path, 'a relative path');
  if (path !== '' && segments.some((segment) => segment === '' || segment === '.')) {
    throw refusedPath(path, 'a path without empty segments');
  }
  const modulesAt = segments.indexOf('node_modules');
  if (modulesAt >= 0 && segments.includes('..')) throw refusedPath(path, 'a path inside the project');
}

function refusedPath(path: string, expected: string): Fault {
  return new Fault(
    'invalid',
    'formats.lock_path',
    `expected ${expected} in the lock file, got ${JSON.stringify(path.slice(0, 200))}`,
  );
}
