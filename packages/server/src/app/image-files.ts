import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type Digest, Fault, mediaTypes, parseImageManifest, readTar } from '@sallyport/formats';
import type { Registry } from '#registry';

/** A bomb in a layer ends here: more than any image of ours has, less than the disk. */
const maxLayerBytes = 8 * 1024 ** 3;

/** The paths of all files in the layers of an image, sorted; contents are passed over. */
export async function imageFiles(registry: Registry, repository: string, digest: Digest): Promise<string[]> {
  const { content } = await registry.getManifest(repository, digest);
  const files = new Set<string>();
  for (const layer of parseImageManifest(content).layers) {
    const blob = await registry.openBlob(repository, layer.digest);
    const tar = unpacked(layer.mediaType, blob.stream());
    try {
      for await (const entry of readTar(tar, { maxBytes: maxLayerBytes, links: 'rooted' })) {
        if (entry.type === 'file') files.add(entry.path);
      }
    } catch (cause) {
      // What was pushed is not gzip: no fault of ours, and no better at the next try.
      if (!(cause instanceof Error && 'code' in cause && String(cause.code).startsWith('Z_'))) throw cause;
      throw new Fault('invalid', 'journey.layer_broken', `expected layer ${layer.digest} to be whole gzip`, {
        cause,
      });
    }
  }
  return [...files].sort();
}

function unpacked(mediaType: string, bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  switch (mediaType) {
    case mediaTypes.ociLayer:
      return bytes;
    case mediaTypes.ociLayerGzip:
    case mediaTypes.dockerLayerGzip:
      return pipeline(Readable.from(bytes), createGunzip({ chunkSize: 1 << 20 }), () => undefined);
    default:
      throw new Fault(
        'invalid',
        'journey.layer_type',
        `expected a tar layer, plain or gzip, got ${mediaType}`,
      );
  }
}
