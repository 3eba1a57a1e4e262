import { utf8 } from '../bytes/bytes.ts';
import { type Digest, digestOf } from '../bytes/digest.ts';
import { Fault } from '../fault.ts';
import { canonicalJson } from '../json/canonical.ts';
import { bundleMediaType } from '../sigstore/bundle.ts';
import { type Descriptor, emptyBlob, type ImageManifest, mediaTypes } from './types.ts';

export interface Referrer {
  /** Canonical JSON of the artifact manifest. */
  readonly manifest: Uint8Array;
  /** The manifest's descriptor as referrers lists and indexes carry it. */
  readonly descriptor: Descriptor;
  /** Blobs that must exist before the manifest is put. */
  readonly blobs: readonly Uint8Array[];
}

/** The manifest that attaches a bundle to an image, as cosign writes and finds it (BUNDLE_SPEC). */
export function bundleReferrer(
  subject: Pick<Descriptor, 'mediaType' | 'digest' | 'size'>,
  bundleText: string,
  predicateType: string,
): Referrer {
  const bundle = utf8(bundleText);
  const { mediaType, digest, size } = subject;
  const manifest = utf8(
    canonicalJson({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      artifactType: bundleMediaType,
      config: { mediaType: mediaTypes.ociEmpty, digest: digestOf(emptyBlob), size: emptyBlob.length },
      layers: [{ mediaType: bundleMediaType, digest: digestOf(bundle), size: bundle.length }],
      subject: { mediaType, digest, size },
      annotations: {
        'dev.sigstore.bundle.content': 'dsse-envelope',
        'dev.sigstore.bundle.predicateType': predicateType,
      },
    }),
  );
  return {
    manifest,
    descriptor: {
      mediaType: mediaTypes.ociManifest,
      digest: digestOf(manifest),
      size: manifest.length,
      artifactType: bundleMediaType,
    },
    blobs: [emptyBlob, bundle],
  };
}

/** The descriptor of the bundle in such a manifest, if it is one and is attached to `subject`. */
export function bundleOfReferrer(manifest: ImageManifest, subject: Digest): Descriptor {
  const [layer, second] = manifest.layers;
  const isBundle =
    manifest.artifactType === bundleMediaType &&
    manifest.subject?.digest === subject &&
    manifest.config.digest === digestOf(emptyBlob) &&
    second === undefined &&
    layer?.mediaType === bundleMediaType;
  if (!isBundle || layer === undefined) {
    throw new Fault(
      'invalid',
      'formats.referrer',
      `expected a bundle attached to ${subject}, got another manifest`,
    );
  }
  return layer;
}
