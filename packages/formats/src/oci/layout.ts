import { utf8 } from '../bytes/bytes.ts';
import { type Digest, digestHex, digestOf } from '../bytes/digest.ts';
import { parseStatement } from '../dsse/statement.ts';
import { Fault } from '../fault.ts';
import { canonicalJson, parseCanonicalJson } from '../json/canonical.ts';
import { closed, digest, integer, list, oneOf, type Shape, text } from '../json/shape.ts';
import { bundleMediaType, parseBundle } from '../sigstore/bundle.ts';
import { parseImageManifest } from './parse.ts';
import { bundleReferrer } from './referrer.ts';
import { type Descriptor, mediaTypes } from './types.ts';

/** `oci-layout` of image-spec 1.1, with these bytes and no others. */
export const layoutMarker = '{"imageLayoutVersion":"1.0.0"}';

export const blobPath = (of: Digest): string => `blobs/sha256/${digestHex(of)}`;

/** A file of an export. */
export interface ExportFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * The small files of an evidence export (docs/formats/evidence-export.md): marker, index, the image's manifest, and a
 * manifest and bundle per piece of evidence. `blobs` names the config and layers of the image, which the caller copies
 * to the given paths. The same evidence gives the same bytes.
 */
export function exportLayout(
  imageManifest: Uint8Array,
  bundleTexts: readonly string[],
): {
  readonly files: readonly ExportFile[];
  readonly blobs: readonly (Descriptor & { readonly path: string })[];
} {
  const manifest = parseImageManifest(imageManifest);
  const image: Descriptor = {
    mediaType: manifest.mediaType ?? mediaTypes.ociManifest,
    digest: digestOf(imageManifest),
    size: imageManifest.length,
  };
  const files = new Map<string, Uint8Array>([[blobPath(image.digest), imageManifest]]);
  const referrers = bundleTexts.map((bundle) => {
    const { predicateType } = parseStatement(parseBundle(bundle).envelope.payload);
    const referrer = bundleReferrer(image, bundle, predicateType);
    for (const bytes of [referrer.manifest, ...referrer.blobs]) files.set(blobPath(digestOf(bytes)), bytes);
    return referrer.descriptor;
  });
  const index = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: [image, ...referrers.sort((a, b) => (a.digest < b.digest ? -1 : 1))],
  };
  files.set('oci-layout', utf8(layoutMarker));
  files.set('index.json', utf8(canonicalJson(index)));
  const needed = new Map([manifest.config, ...manifest.layers].map((blob) => [blob.digest, blob]));
  return {
    files: [...files].map(([path, bytes]) => ({ path, bytes })),
    blobs: [...needed.values()].map((blob) => ({ ...blob, path: blobPath(blob.digest) })),
  };
}

type IndexEntry = Pick<Descriptor, 'mediaType' | 'digest' | 'size' | 'artifactType'>;

interface ExportIndex {
  readonly schemaVersion: number;
  readonly mediaType: string;
  readonly manifests: readonly IndexEntry[];
}

// Closed and canonical, without annotations: nothing outside the digests may vary.
const indexShape: Shape<ExportIndex> = closed<ExportIndex>(
  {
    schemaVersion: oneOf(2),
    mediaType: oneOf(mediaTypes.ociIndex),
    manifests: list(
      closed<IndexEntry>(
        { mediaType: oneOf(mediaTypes.ociManifest, mediaTypes.dockerManifest), digest, size: integer(0) },
        { artifactType: text(255) },
      ),
      10_000,
      1,
    ),
  },
  {},
);

/** The image and its evidence in the index of an export, as `exportLayout` writes it. */
export function parseExportIndex(json: string): {
  readonly image: IndexEntry;
  readonly referrers: readonly IndexEntry[];
} {
  const [image, ...referrers] = indexShape(parseCanonicalJson(json), 'index.json').manifests;
  const sorted = referrers.every((entry, i) => i === 0 || (referrers[i - 1]?.digest ?? '') < entry.digest);
  const evidence = referrers.every((entry) => entry.artifactType === bundleMediaType);
  if (image === undefined || image.artifactType !== undefined || !sorted || !evidence) {
    throw new Fault(
      'invalid',
      'formats.export_index',
      'expected one image and then its bundles in order of digest, got another index',
    );
  }
  return { image, referrers };
}
