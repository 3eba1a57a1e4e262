import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TrustLevel } from '@sallyport/contract';
import { createHasher, type Digests } from './integrity.ts';

/** What the registry said of an entry when it was fetched. As trusted as the folder it lies in. */
export interface Provenance {
  readonly name: string;
  readonly version: string;
  readonly publishedAt?: string | undefined;
  readonly hasInstallScript: boolean;
}

/** A file whose bytes have just been hashed; `digests` are of exactly the bytes in it. */
export interface VerifiedFile {
  readonly path: string;
  readonly digests: Digests;
  readonly provenance?: Provenance | undefined;
}

/**
 * Tarballs by the SHA-512 of their bytes, in one folder per trust level. A trusted run reads and writes `trusted`
 * only; an untrusted run reads both and writes `untrusted` only (invariant 10). Entries are written whole, synced
 * and then named, and hashed again whenever they are read, so neither a crash nor a flipped bit reaches a step.
 */
export interface TarballCache {
  find(sha512: string): Promise<VerifiedFile | undefined>;
  /** Moves a hashed temporary file in; afterwards the entry is durable. */
  keep(file: VerifiedFile, provenance: Provenance): Promise<VerifiedFile>;
  /** A new private place on the same file system as the cache. */
  temporary(): Promise<string>;
}

export function createTarballCache(deps: {
  readonly directory: string;
  readonly trust: TrustLevel;
  readonly nextName: () => string;
}): TarballCache {
  const own = join(deps.directory, deps.trust);
  const readable = deps.trust === 'trusted' ? [own] : [own, join(deps.directory, 'trusted')];
  const placeIn = (root: string, sha512: string) => join(root, 'sha512', sha512.slice(0, 2), sha512.slice(2));
  const temporary = async () => {
    const directory = join(own, 'tmp');
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return join(directory, deps.nextName());
  };
  return {
    async find(sha512) {
      for (const root of readable) {
        const path = placeIn(root, sha512);
        const digests = await hashFile(path);
        if (digests === undefined) continue;
        if (digests.sha512 === sha512) return { path, digests, provenance: await readProvenance(path) };
        // Damaged. Its owner's namespace drops it; another's is left for its owner to find.
        if (root === own) await rm(path, { force: true });
      }
      return undefined;
    },
    async keep(file, provenance) {
      const path = placeIn(own, file.digests.sha512);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const note = await temporary();
      await writeFile(note, JSON.stringify(provenance), { mode: 0o600, flush: true });
      await sync(file.path);
      await rename(note, `${path}.json`);
      await rename(file.path, path);
      await sync(dirname(path));
      return { path, digests: file.digests, provenance };
    },
    temporary,
  };
}

/** A note that is missing or damaged only means that the registry is asked again. */
async function readProvenance(path: string): Promise<Provenance | undefined> {
  try {
    const note: unknown = JSON.parse(await readFile(`${path}.json`, 'utf8'));
    if (typeof note !== 'object' || note === null || !('name' in note) || !('version' in note))
      return undefined;
    if (typeof note.name !== 'string' || typeof note.version !== 'string') return undefined;
    return {
      name: note.name,
      version: note.version,
      hasInstallScript: 'hasInstallScript' in note && note.hasInstallScript === true,
      ...('publishedAt' in note && typeof note.publishedAt === 'string'
        ? { publishedAt: note.publishedAt }
        : {}),
    };
  } catch {
    return undefined;
  }
}

/** Undefined when there is no such file. */
async function hashFile(path: string): Promise<Digests | undefined> {
  try {
    const hasher = createHasher();
    const file = await open(path, 'r');
    for await (const chunk of file.createReadStream({ highWaterMark: 1 << 20 })) hasher.update(chunk);
    return hasher.digests();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
