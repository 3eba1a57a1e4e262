import { createHash } from 'node:crypto';
import { createReadStream, lstatSync } from 'node:fs';
import {
  chmod,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join, posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Material, Tool } from '@sallyport/contract';
import { Fault, npmPurl, readTar } from '@sallyport/formats';
import { strongIntegrity } from './npm/integrity.ts';
import type { PackageSource } from './npm/package-source.ts';
import type { Recorder } from './recorder.ts';

export interface FetchedTool {
  readonly name: string;
  readonly version: string;
  /** Unpacked, content-addressed, never written again; commands are links in `.bin`. */
  readonly directory: string;
  /** Where it is mounted in a sandbox and laid in an image, so that both find it at one place. */
  readonly mountPath: string;
  /** For `PATH`. */
  readonly binPath: string;
  readonly commands: readonly string[];
  readonly material: Material;
}

export interface Toolbox {
  fetch(tool: Tool): Promise<FetchedTool>;
  close(): Promise<void>;
}

/** What the jobs of one agent know together about unpacked tools. In memory only. */
export interface Shelf {
  /**
   * What each tree looked like (inodes, sizes, change times, which no writer can set) when this process last hashed it
   * whole, by directory.
   */
  readonly verified: Map<string, string>;
  readonly underWay: Map<string, Promise<string>>;
}

export const emptyShelf = (): Shelf => ({ verified: new Map(), underWay: new Map() });

const limits = { maxEntries: 50_000, maxBytes: 1024 ** 3, maxPathBytes: 1000 } as const;

export function createToolbox(deps: {
  readonly source: PackageSource;
  readonly recorder: Recorder;
  readonly directory: string;
  readonly nextName: () => string;
  /** Trees another level of trust made, that this one may use but never writes. */
  readonly alsoRead: readonly string[];
  readonly shelf: Shelf;
}): Toolbox {
  const { source, recorder, shelf } = deps;

  /** The tree of a tool, hashed whole at least once by this process; undefined when it is not there or not intact. */
  const intact = async (directory: string): Promise<string | undefined> => {
    const known = await readListing(`${directory}.json`);
    if (known === undefined) return undefined;
    const stamps = await stampsOf(directory);
    if (stamps === undefined) return undefined;
    if (shelf.verified.get(directory) !== stamps && known !== (await listingOf(directory))) return undefined;
    shelf.verified.set(directory, stamps);
    return directory;
  };

  const unpacked = async (sha512: string, tarball: string): Promise<string> => {
    for (const place of [deps.directory, ...deps.alsoRead]) {
      const found = await intact(join(place, sha512));
      if (found !== undefined) return found;
    }
    const directory = join(deps.directory, sha512);
    const making = join(deps.directory, 'tmp', deps.nextName());
    try {
      await mkdir(making, { recursive: true });
      await unpack(tarball, making);
      await linkCommands(making);
      await writeFile(`${making}.json`, (await listingOf(making)) ?? '', { flush: true });
      await rm(directory, { recursive: true, force: true });
      // A crash between these two leaves a tree without its listing: it is made again.
      await rename(making, directory);
      await rename(`${making}.json`, `${directory}.json`);
    } finally {
      await rm(making, { recursive: true, force: true });
      await rm(`${making}.json`, { force: true });
    }
    return directory;
  };

  /** One at a time for each tree: two jobs that want a new tool must not both put it in place. */
  const prepared = (sha512: string, tarball: string): Promise<string> => {
    const key = join(deps.directory, sha512);
    const running = shelf.underWay.get(key);
    if (running !== undefined) return running;
    const making = unpacked(sha512, tarball).finally(() => shelf.underWay.delete(key));
    shelf.underWay.set(key, making);
    return making;
  };

  return {
    async fetch(tool) {
      const at = tool.npm.lastIndexOf('@');
      const name = tool.npm.slice(0, at);
      const version = tool.npm.slice(at + 1);
      const integrity = strongIntegrity(tool.integrity);
      if (integrity === undefined) {
        throw new Fault(
          'invalid',
          'egress.tool_integrity',
          `expected a sha512 integrity for the tool ${tool.npm}`,
        );
      }
      const outcome = await source.obtain(name, version, {
        kind: 'verifiable',
        integrity,
        hasInstallScript: false,
      });
      const entry = {
        kind: 'npm-tarball',
        uri: npmPurl(name, version),
        name,
        version,
        ...outcome.facts,
      } as const;
      if (outcome.decision === 'denied') {
        recorder.record({ ...entry, decision: 'denied', reason: outcome.code });
        const kind = outcome.code === 'egress.integrity_mismatch' ? 'integrity' : 'denied';
        throw new Fault(kind, outcome.code, `the tool ${tool.npm} was refused: ${outcome.message}`);
      }
      recorder.record({ ...entry, decision: 'allowed' });
      const { path, digests } = outcome.file;
      const directory = await prepared(digests.sha512, path);
      const mountPath = `/opt/tools/${name}`;
      return {
        name,
        version,
        directory,
        mountPath,
        binPath: `${mountPath}/.bin`,
        commands: await commandsOf(directory),
        material: {
          uri: npmPurl(name, version),
          name: `${name}@${version}`,
          digest: { sha256: digests.sha256, sha512: digests.sha512 },
          kind: 'tool',
        },
      };
    },
    close: () => source.close(),
  };
}

/** Files and directories only, all below the archive's one top folder (`package/` by custom), which is taken away. */
async function unpack(tarball: string, into: string): Promise<void> {
  const gunzip = createGunzip({ chunkSize: 1 << 20 });
  const reading = pipeline(createReadStream(tarball), gunzip);
  // Its error also ends the gunzip stream, which is what the loop below sees.
  reading.catch(() => undefined);
  let top: string | undefined;
  for await (const entry of readTar(gunzip, limits)) {
    const slash = entry.path.indexOf('/');
    const first = slash < 0 ? entry.path : entry.path.slice(0, slash);
    top ??= first;
    if (first !== top) throw refused('one folder at the top', entry.path);
    if (entry.type === 'directory') {
      if (slash > 0) await mkdir(join(into, entry.path.slice(slash + 1)), { recursive: true });
      continue;
    }
    if (entry.type !== 'file' || slash < 0) throw refused('files and directories only', entry.path);
    const path = join(into, entry.path.slice(slash + 1));
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, 'wx', entry.mode & 0o111 ? 0o755 : 0o644);
    try {
      for await (const chunk of entry.body) await file.writeFile(chunk);
    } finally {
      await file.close();
    }
  }
  await reading;
}

/**
 * `.bin/<command>` for each command of package.json, as npm does it. They are links, so a script finds its own
 * package; what they lead to is made executable.
 */
async function linkCommands(directory: string): Promise<void> {
  const commands = await declaredCommands(directory);
  await mkdir(join(directory, '.bin'));
  for (const [command, target] of commands) {
    await chmod(join(directory, target), 0o755);
    await symlink(posix.join('..', target), join(directory, '.bin', command));
  }
}

async function declaredCommands(directory: string): Promise<Map<string, string>> {
  const files = new Set(
    (await readdir(directory, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1)),
  );
  const found = new Map<string, string>();
  const add = (command: string, target: unknown) => {
    if (typeof target !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$/.test(command)) return;
    const path = posix.normalize(target);
    if (files.has(path)) found.set(command, path);
  };
  const manifest: unknown = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8'));
  const bin =
    typeof manifest === 'object' && manifest !== null && 'bin' in manifest ? manifest.bin : undefined;
  const name =
    typeof manifest === 'object' && manifest !== null && 'name' in manifest ? manifest.name : undefined;
  if (typeof bin === 'string' && typeof name === 'string') add(basename(name), bin);
  else if (typeof bin === 'object' && bin !== null)
    for (const [command, target] of Object.entries(bin)) add(command, target);
  if (found.size === 0) for (const path of files) if (/^bin\/[^/]+$/.test(path)) add(basename(path), path);
  return found;
}

async function commandsOf(directory: string): Promise<readonly string[]> {
  return (await readdir(join(directory, '.bin'))).sort();
}

/** Every path with its mode and SHA-256, to see whether a tree is still what was unpacked. */
async function listingOf(directory: string): Promise<string | undefined> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return undefined;
  const lines: string[] = [];
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(directory.length + 1);
    if (entry.isFile()) lines.push(`${name} ${await sha256Of(path)}`);
    else lines.push(`${name} ${entry.isSymbolicLink() ? 'link' : 'directory'}`);
  }
  return lines.sort().join('\n');
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  if ((await stat(path)).size < 1 << 20) return hash.update(await readFile(path)).digest('hex');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

async function stampsOf(directory: string): Promise<string | undefined> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => undefined);
  const lines = (entries ?? []).map((entry) => {
    const path = join(entry.parentPath, entry.name);
    const { ino, size, mode, mtimeMs, ctimeMs } = lstatSync(path);
    return `${path} ${ino} ${size} ${mode} ${mtimeMs} ${ctimeMs}`;
  });
  return entries === undefined ? undefined : lines.sort().join('\n');
}

async function readListing(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}

function refused(expected: string, path: string): Fault {
  return new Fault(
    'invalid',
    'egress.bad_tool',
    `expected ${expected} in a tool's archive, got "${path.slice(0, 200)}"`,
  );
}
