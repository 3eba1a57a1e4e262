import {
  type Descriptor,
  type Digest,
  digestOf,
  Fault,
  type ImageConfig,
  type ImageManifest,
  isFault,
  maxManifestBytes,
  parseImageConfig,
  parseImageManifest,
  parseReference,
} from '@sallyport/formats';
import type { Blob, ImageRegistry } from '../port.ts';

/** What an artifact is laid upon. */
export interface Base {
  readonly layers: readonly { readonly descriptor: Descriptor; readonly blob: Blob }[];
  readonly diffIds: readonly Digest[];
  readonly config: ImageConfig['config'];
}

export const emptyBase: Base = { layers: [], diffIds: [], config: undefined };

/** Reads an image by digest. Its layers are not unpacked: they are passed on as they are, each checked by its digest. */
export async function readBase(reference: string, registry: ImageRegistry): Promise<Base> {
  const { host, repository, digest } = parseReference(reference);
  if (host !== undefined || digest === undefined) {
    throw new Fault(
      'invalid',
      'build.base',
      `expected an image of this registry by digest, got ${JSON.stringify(reference)}`,
      {
        hint: 'push the base image to the Sallyport registry and name it repository@sha256:…',
      },
    );
  }
  const manifestBytes = await registry.manifest(repository, digest);
  expectDigest('base manifest', digest, manifestBytes);
  const manifest = readManifest(manifestBytes, reference);
  const configBytes = await collect(await registry.blob(repository, manifest.config.digest));
  expectDigest('base config', manifest.config.digest, configBytes);
  const config = parseImageConfig(configBytes);
  if (config.rootfs.diff_ids.length !== manifest.layers.length) {
    throw new Fault(
      'integrity',
      'build.base',
      `expected as many layers as the base's config lists, got ${manifest.layers.length}`,
    );
  }
  if (config.os !== 'linux' || config.architecture !== architecture()) {
    throw new Fault(
      'precondition',
      'build.base_platform',
      `expected a base for linux/${architecture()}, got ${config.os}/${config.architecture}`,
    );
  }
  return {
    layers: manifest.layers.map((descriptor) => ({
      descriptor,
      blob: {
        digest: descriptor.digest,
        sizeBytes: descriptor.size,
        // The registry we push to checks the digest of every blob; nothing of it is looked at here.
        open: () => lazily(() => registry.blob(repository, descriptor.digest)),
      },
    })),
    diffIds: config.rootfs.diff_ids,
    config: config.config,
  };
}

function readManifest(bytes: Uint8Array, reference: string): ImageManifest {
  try {
    return parseImageManifest(bytes);
  } catch (cause) {
    if (!isFault(cause)) throw cause;
    throw new Fault(
      'invalid',
      'build.base',
      `expected an image manifest as base, got another document at "${reference}"`,
      {
        cause,
        hint: 'name the manifest of one platform, not the index of several',
      },
    );
  }
}

/** This machine in the words of OCI. */
export function architecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

function expectDigest(what: string, expected: Digest, bytes: Uint8Array): void {
  const actual = digestOf(bytes);
  if (actual !== expected)
    throw new Fault('integrity', 'build.base_digest', `expected the ${what} ${expected}, got ${actual}`);
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > maxManifestBytes)
      throw new Fault('exhausted', 'build.base', `expected a config of at most ${maxManifestBytes} bytes`);
    chunks.push(chunk);
  }
  return Uint8Array.from(Buffer.concat(chunks));
}

async function* lazily(open: () => Promise<AsyncIterable<Uint8Array>>): AsyncGenerator<Uint8Array> {
  yield* await open();
}
