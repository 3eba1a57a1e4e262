import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import {
  canonicalJson,
  type Digest,
  digestHex,
  digestOf,
  Fault,
  fromUtf8,
  type ImageManifest,
  type ImageProcess,
  parseImageConfig,
  parseImageIndex,
  parseImageManifest,
  utf8,
} from '@sallyport/formats';
import { syncDirectory, writeDurably } from '../durable.ts';
import { createInspector, type Inspector } from './inspect.ts';
import type { Tree } from './tree.ts';
import { expectDigest, type Layer, removeTree, unpack } from './unpack.ts';

/** Where images come from, by digest. What it gives is verified here; it is not trusted. */
export interface ImageSource {
  manifest(repository: string, digest: Digest): Promise<Uint8Array>;
  blob(repository: string, digest: Digest): Promise<AsyncIterable<Uint8Array>>;
}

/** An image on disk, verified, read-only. */
export interface Release {
  readonly digest: Digest;
  readonly root: string;
  readonly tree: Tree;
  readonly process: ImageProcess;
  /** It is made to run on the host's system directories and brings only its own. */
  readonly onHost: boolean;
  readonly inspector: Inspector;
  /** Digest of what `open` reads; kept with the state, so that a changed record is noticed. */
  readonly record: Digest;
}

export interface Releases {
  /** Fetches, verifies and unpacks. What is on disk already is replaced: only fresh bytes are known to be right. */
  fetch(repository: string, digest: Digest): Promise<Release>;
  /** What an earlier agent left, when it is whole and every file is as the image has it; else undefined. */
  open(digest: Digest, record: Digest): Promise<Release | undefined>;
  /**
   * Removes all but these, what `fetch` put aside, and what crashes left half done. Called when nothing runs from those.
   */
  keepOnly(digests: readonly Digest[]): Promise<void>;
}

export interface ReleasesDeps {
  /** Of the agent's own. */
  readonly directory: string;
  readonly images: ImageSource;
}

/** Set by our image assembler on images whose base is `host`. */
export const baseLabel = 'dev.sallyport.base';
const maxConfigBytes = 4 * 1024 * 1024;

export function createReleases({ directory, images }: ReleasesDeps): Releases {
  let attempts = 0;
  const recordOf = (digest: Digest): string => join(directory, `${digestHex(digest)}.json`);

  async function resolve(repository: string, digest: Digest): Promise<ImageManifest> {
    const bytes = await images.manifest(repository, digest);
    expectDigest('manifest', digest, digestOf(bytes));
    if (!isIndex(bytes)) return parseImageManifest(bytes);
    const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
    const match = parseImageIndex(bytes).manifests.find(
      ({ platform }) => platform?.os === 'linux' && platform.architecture === architecture,
    );
    if (match === undefined) {
      throw new Fault(
        'precondition',
        'deploy.platform',
        `expected an image for linux/${architecture}, found none`,
      );
    }
    const inner = await images.manifest(repository, match.digest);
    expectDigest('manifest', match.digest, digestOf(inner));
    return parseImageManifest(inner);
  }

  async function* layersOf(
    repository: string,
    manifest: ImageManifest,
    diffIds: readonly Digest[],
  ): AsyncGenerator<Layer> {
    for (const [index, descriptor] of manifest.layers.entries()) {
      const diffId = diffIds[index];
      if (diffId === undefined) throw uneven(manifest.layers.length, diffIds.length);
      yield {
        digest: descriptor.digest,
        diffId,
        sizeBytes: descriptor.size,
        mediaType: descriptor.mediaType,
        bytes: lazily(() => images.blob(repository, descriptor.digest)),
      };
    }
  }

  return {
    async fetch(repository, digest) {
      const manifest = await resolve(repository, digest);
      const configBytes = await collect(
        await images.blob(repository, manifest.config.digest),
        maxConfigBytes,
      );
      expectDigest('config', manifest.config.digest, digestOf(configBytes));
      const config = parseImageConfig(configBytes);
      if (config.rootfs.diff_ids.length !== manifest.layers.length) {
        throw uneven(manifest.layers.length, config.rootfs.diff_ids.length);
      }
      const layers: Layer[] = [];
      for await (const layer of layersOf(repository, manifest, config.rootfs.diff_ids)) layers.push(layer);

      await mkdir(directory, { recursive: true, mode: 0o711 });
      attempts += 1;
      const temporary = join(directory, `.new-${process.pid}-${attempts}`);
      const root = join(directory, digestHex(digest));
      await removeTree(temporary);
      await mkdir(temporary, { mode: 0o755 });
      let tree: Tree;
      try {
        tree = await unpack(layers, temporary);
        // Read back from the disk, every file: what was hashed on its way in may not be what lies there.
        const wrong = await createInspector(temporary, tree).inspect(Number.POSITIVE_INFINITY);
        const [first] = wrong;
        if (first !== undefined) {
          throw new Fault(
            'integrity',
            'deploy.unpacked',
            `expected ${first.expected} at "${first.path}", got ${first.found}`,
          );
        }
        await syncDirectory(temporary);
      } catch (error) {
        await removeTree(temporary);
        throw error;
      }
      // Put aside and not removed: an instance may still run from it. A crash here leaves one of the two, or a
      // temporary one, and the next start fetches again; `keepOnly` removes the rest.
      const old = join(directory, `.old-${process.pid}-${attempts}`);
      await rename(root, old).catch(ignoreMissing);
      await rename(temporary, root);
      await syncDirectory(directory);
      const release = {
        digest,
        tree,
        process: config.config ?? {},
        onHost: config.config?.Labels?.[baseLabel] === 'host',
      };
      const text = canonicalJson(release);
      await writeDurably(recordOf(digest), text);
      return { ...release, root, inspector: createInspector(root, tree), record: digestOf(utf8(text)) };
    },
    async open(digest, record) {
      const root = join(directory, digestHex(digest));
      const bytes = await readFile(recordOf(digest)).catch(() => undefined);
      if (bytes === undefined || digestOf(bytes) !== record) return undefined;
      // Its digest is the one we wrote down, so its shape is the one we wrote.
      const release = JSON.parse(fromUtf8(bytes)) as Pick<Release, 'digest' | 'tree' | 'process' | 'onHost'>;
      const inspector = createInspector(root, release.tree);
      const differences = await inspector.inspect(Number.POSITIVE_INFINITY);
      return differences.length > 0 ? undefined : { ...release, root, inspector, record };
    },
    async keepOnly(digests) {
      const keep = new Set(digests.flatMap((digest) => [digestHex(digest), `${digestHex(digest)}.json`]));
      for (const name of await readdir(directory).catch(() => [])) {
        if (!keep.has(name)) await removeTree(join(directory, name));
      }
    },
  };
}

/** Decided by the content, as the digest is of the content: a media type told beside it could lie. */
function isIndex(manifest: Uint8Array): boolean {
  try {
    parseImageIndex(manifest);
    return true;
  } catch {
    return false;
  }
}

async function* lazily(open: () => Promise<AsyncIterable<Uint8Array>>): AsyncGenerator<Uint8Array> {
  yield* await open();
}

async function collect(source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > maxBytes)
      throw new Fault('exhausted', 'deploy.config_size', `expected at most ${maxBytes} bytes of config`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // errors of node:fs carry a code
}

function uneven(layers: number, diffIds: number): Fault {
  return new Fault(
    'invalid',
    'deploy.layers',
    `expected as many layers as diff ids, got ${layers} and ${diffIds}`,
  );
}
