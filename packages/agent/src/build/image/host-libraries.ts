import { createHash } from 'node:crypto';
import { readdir, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join, posix } from 'node:path';
import type { Material } from '@sallyport/contract';
import { Fault } from '@sallyport/formats';
import { type Elf, readElf } from './elf.ts';

/** A library of the build host that an image on `scratch` brings along, and where it lies in the image. */
export interface HostLibrary {
  /** File of the host. */
  readonly source: string;
  /** Relative to the image's root. */
  readonly target: string;
  readonly material: Material;
}

/** Where the host's loader looks besides the paths of ld.so.conf (ld.so(8)). */
const defaultDirectories = ['/lib', '/usr/lib', '/lib64', '/usr/lib64'];
const triplets: Readonly<Record<number, string>> = { 62: 'x86_64-linux-gnu', 183: 'aarch64-linux-gnu' };
const maxLibraries = 200;

/**
 * The loader and every shared library that `programs` need, transitively, found by reading the files and not by running
 * anything. They are put beside libc, in a directory the loader searches without a cache, so the image needs nothing of
 * the host it runs on. Digests are recorded: what was taken from this host is part of the image's provenance.
 */
export async function hostLibraries(programs: readonly string[]): Promise<readonly HostLibrary[]> {
  const found = new Map<string, string>();
  const loaders = new Map<string, string>();
  const queue: { path: string; elf: Elf }[] = [];
  for (const path of programs) {
    const elf = await readElf(path);
    if (elf === undefined) continue;
    queue.push({ path, elf });
    if (elf.interpreter !== undefined) loaders.set(elf.interpreter, await realpath(elf.interpreter));
  }
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    for (const name of next.elf.needed) {
      if (found.has(name) || [...loaders.keys()].some((loader) => basename(loader) === name)) continue;
      const library = await locate(name, next.path, next.elf);
      found.set(name, library.path);
      if (found.size > maxLibraries) throw unusable(next.path, `at most ${maxLibraries} libraries`);
      queue.push(library);
    }
  }
  const libc = found.get('libc.so.6');
  if (found.size > 0 && libc === undefined) throw unusable('the runtime', 'a program linked with glibc');
  const directory = libc === undefined ? 'lib' : dirname(libc).slice(1);

  const libraries: HostLibrary[] = [];
  for (const [target, source] of loaders)
    libraries.push(await described(source, posix.normalize(target).slice(1)));
  for (const [name, source] of found)
    libraries.push(await described(await realpath(source), `${directory}/${name}`));
  return libraries.sort((a, b) => (a.target < b.target ? -1 : 1));
}

async function locate(name: string, of: string, elf: Elf): Promise<{ path: string; elf: Elf }> {
  if (name.includes('/') || name === '' || name.includes('\0'))
    throw unusable(of, 'library names without a path');
  const own = elf.searchPaths.map((path) => path.replace(/\$ORIGIN|\$\{ORIGIN\}/g, dirname(of)));
  const directories = [
    ...own.filter((path) => path.startsWith('/')),
    `/lib/${triplets[elf.machine] ?? ''}`,
    `/usr/lib/${triplets[elf.machine] ?? ''}`,
    ...(await configuredDirectories()),
    ...defaultDirectories,
  ];
  for (const directory of directories) {
    const path = join(directory, name);
    const candidate = await readElf(path).catch(() => undefined);
    if (candidate?.machine === elf.machine) return { path, elf: candidate };
  }
  throw unusable(of, `the library "${name}" on this host`);
}

/** ld.so.conf and what it includes, one level deep as distributions write it. */
async function configuredDirectories(): Promise<readonly string[]> {
  const directories: string[] = [];
  for (const file of ['/etc/ld.so.conf', ...(await confFiles())]) {
    const text = await readFile(file, 'utf8').catch(() => '');
    for (const line of text.split('\n')) {
      const path = line.replace(/#.*/, '').trim();
      if (path.startsWith('/')) directories.push(path);
    }
  }
  return directories;
}

async function confFiles(): Promise<readonly string[]> {
  const names = await readdir('/etc/ld.so.conf.d').catch(() => []);
  return names
    .filter((name) => name.endsWith('.conf'))
    .sort()
    .map((name) => join('/etc/ld.so.conf.d', name));
}

async function described(source: string, target: string): Promise<HostLibrary> {
  const sha256 = createHash('sha256')
    .update(await readFile(source))
    .digest('hex');
  return {
    source,
    target,
    material: { uri: `file:${source}`, name: basename(target), digest: { sha256 }, kind: 'host-library' },
  };
}

function unusable(of: string, expected: string): Fault {
  return new Fault('precondition', 'build.runtime_libraries', `expected ${expected}, needed by "${of}"`, {
    hint: 'use base `host`, or an OCI image that holds the libraries',
  });
}
