import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Material, TrustLevel } from '@sallyport/contract';
import { digestFromHash, parseDigest, type TarStreamEntry } from '@sallyport/formats';
import type { FetchedTool } from '../../egress/index.ts';
import { treeEntries } from './entries.ts';
import { type HostLibrary, hostLibraries } from './host-libraries.ts';
import { gzipLevel, type Layer, layerFrom, writeLayer } from './layer.ts';

export interface RuntimeLayer {
  readonly layer: Layer;
  readonly materials: readonly Material[];
}

/** Raise it when the entries of this layer change for the same tools. */
const layout = 1;

/**
 * The runtime packages under /opt/tools, and for `scratch` what they need of the host. It depends on no commit: its
 * times are zero, so that every image with this runtime shares one layer, which is compressed once and pushed once.
 *
 * The cache holds what was made, by what it was made of, per trust level; it is hashed again when read, and made again
 * when it differs, so an image is the same with and without it.
 */
export async function runtimeLayer(
  tools: readonly FetchedTool[],
  options: { readonly withHostLibraries: boolean; readonly directory: string; readonly trust: TrustLevel },
): Promise<RuntimeLayer> {
  const libraries = options.withHostLibraries ? await librariesFor(tools) : [];
  const materials: Material[] = [
    ...tools.map((tool) => ({ ...tool.material, kind: 'runtime' as const })),
    ...libraries.map((library) => library.material),
  ];
  const key = createHash('sha256')
    .update(
      JSON.stringify([
        layout,
        gzipLevel,
        process.versions['zlib'],
        materials,
        libraries.map((l) => l.target),
      ]),
    )
    .digest('hex');
  const home = join(options.directory, options.trust);
  const path = join(home, key);
  // As with packages: an untrusted run may use what trusted ones made, and never the other way round.
  for (const trust of options.trust === 'untrusted' ? ['untrusted', 'trusted'] : ['trusted']) {
    const known = await readCached(join(options.directory, trust, key));
    if (known !== undefined) return { layer: known, materials };
  }

  await mkdir(home, { recursive: true, mode: 0o700 });
  const making = `${path}.${randomUUID()}.tmp`;
  try {
    const made = await writeLayer(await entriesOf(tools, libraries), making);
    const note = JSON.stringify({ digest: made.descriptor.digest, diffId: made.diffId });
    await writeFile(`${path}.json`, note, { mode: 0o600, flush: true });
    await rename(making, path);
    return { layer: layerFrom(path, made.descriptor.digest, made.diffId, made.descriptor.size), materials };
  } finally {
    await rm(making, { force: true });
  }
}

async function librariesFor(tools: readonly FetchedTool[]): Promise<readonly HostLibrary[]> {
  const programs: string[] = [];
  for (const tool of tools) {
    for (const entry of await treeEntries(tool.directory, 'x', 0)) {
      if (entry.type === 'file' && (await isElf(join(tool.directory, entry.path.slice(2))))) {
        programs.push(join(tool.directory, entry.path.slice(2)));
      }
    }
  }
  return hostLibraries(programs);
}

async function entriesOf(
  tools: readonly FetchedTool[],
  libraries: readonly HostLibrary[],
): Promise<readonly TarStreamEntry[]> {
  const entries: TarStreamEntry[] = [];
  for (const tool of tools) entries.push(...(await treeEntries(tool.directory, tool.mountPath.slice(1), 0)));
  for (const { source, target } of libraries) {
    entries.push({
      type: 'file',
      path: target,
      mode: 0o755,
      mtimeSeconds: 0,
      sizeBytes: (await stat(source)).size,
      open: () => createReadStream(source),
    });
  }
  return entries;
}

async function isElf(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return bytesRead === 4 && buffer.readUInt32BE(0) === 0x7f454c46;
  } finally {
    await file.close();
  }
}

async function readCached(path: string): Promise<Layer | undefined> {
  try {
    const note: unknown = JSON.parse(await readFile(`${path}.json`, 'utf8'));
    if (typeof note !== 'object' || note === null || !('digest' in note) || !('diffId' in note))
      return undefined;
    const digest = parseDigest(String(note.digest));
    const hash = createHash('sha256');
    let sizeBytes = 0;
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      hash.update(chunk);
      sizeBytes += chunk.length;
    }
    if (digestFromHash(Uint8Array.from(hash.digest())) !== digest) return undefined;
    return layerFrom(path, digest, parseDigest(String(note.diffId)), sizeBytes);
  } catch {
    return undefined; // not there, or damaged: it is made again
  }
}
