import { Fault, fromUtf8, parseStrictJson } from '@sallyport/formats';
import { type ContentDigest, checkDigest } from '../content-digest.ts';

/** What the registry has to know of a manifest to keep its promises; everything else in it is only bytes. */
export interface Manifest {
  readonly mediaType: string;
  readonly blobs: readonly Descriptor[];
  readonly manifests: readonly Descriptor[];
  readonly subject: ContentDigest | undefined;
  /** OCI distribution 1.1, "Listing Referrers": the manifest's own, or else the media type of its config. */
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
  /** A layer that only its maker may hand out: clients do not push it, and take it from elsewhere. */
  readonly mayBeAbsent: boolean;
}

export const imageIndexType = 'application/vnd.oci.image.index.v1+json';
const imageTypes: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]);
const indexTypes: ReadonlySet<string> = new Set([
  imageIndexType,
  'application/vnd.docker.distribution.manifest.list.v2+json',
]);

export const maxManifestBytes = 4 * 1024 * 1024;
const maxDescriptors = 1000;
/** OCI image-spec 1.1, "Non-Distributable Layers", and Docker's form of them. */
const foreignLayerPattern =
  /^application\/vnd\.(?:oci\.image\.layer\.nondistributable\.v1\.tar(?:\+gzip|\+zstd)?|docker\.image\.rootfs\.foreign\.diff\.tar(?:\.gzip)?)$/;
const mediaTypePattern = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;

/**
 * Reads a manifest that was sent as `mediaType`. One document must not be read as two: the media type inside has to
 * agree, and a document with both layers and manifests is refused (CVE-2021-41190). Strict JSON, so that a client
 * whose parser takes the other of two equal keys does not run what we did not check.
 */
export function parseManifest(bytes: Uint8Array, mediaType: string): Manifest {
  if (bytes.length > maxManifestBytes)
    throw invalid(`expected at most ${maxManifestBytes} bytes, got ${bytes.length}`);
  const type = (mediaType.split(';')[0] ?? '').trim().toLowerCase();
  const image = imageTypes.has(type);
  if (!image && !indexTypes.has(type))
    throw invalid(
      `expected an OCI or Docker image manifest or index, got content type "${type.slice(0, 100)}"`,
    );
  const document = fields(readJson(bytes), 'the manifest');
  if (document.get('schemaVersion') !== 2) throw invalid('expected schemaVersion 2');
  const inside = document.get('mediaType');
  if (inside === undefined ? !type.startsWith('application/vnd.oci.') : inside !== type)
    throw invalid(`expected mediaType "${type}" inside the manifest, as in the content type`);
  const foreign = image ? ['manifests'] : ['layers', 'config'];
  for (const name of [...foreign, 'fsLayers', 'history'])
    if (document.has(name)) throw invalid(`expected no "${name}" in ${type}`);
  const config = image ? descriptor(document.get('config'), 'config') : undefined;
  const layers = image ? descriptors(document.get('layers'), 'layers') : [];
  const subject = document.get('subject');
  const described = annotations(document.get('annotations'));
  if (subject !== undefined) requireFewAnnotations(described);
  return {
    mediaType: type,
    blobs: config === undefined ? layers : [config, ...layers],
    manifests: image ? [] : descriptors(document.get('manifests'), 'manifests'),
    subject: subject === undefined ? undefined : descriptor(subject, 'subject').digest,
    artifactType: artifactType(document.get('artifactType')) ?? config?.mediaType,
    annotations: described,
  };
}

function readJson(bytes: Uint8Array): unknown {
  try {
    return parseStrictJson(fromUtf8(bytes), { maxBytes: maxManifestBytes, maxDepth: 20 });
  } catch (cause) {
    throw new Fault('invalid', 'registry.manifest_invalid', 'expected a manifest in strict JSON', { cause });
  }
}

function fields(value: unknown, what: string): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`expected ${what} to be an object`);
  return new Map(Object.entries(value));
}

function descriptors(value: unknown, what: string): readonly Descriptor[] {
  if (!Array.isArray(value) || value.length > maxDescriptors)
    throw invalid(`expected "${what}" to be a list of at most ${maxDescriptors} descriptors`);
  return value.map((each, index) => descriptor(each, `${what}[${index}]`));
}

function descriptor(value: unknown, what: string): Descriptor {
  const given = fields(value, what);
  const mediaType = given.get('mediaType');
  if (typeof mediaType !== 'string' || !mediaTypePattern.test(mediaType))
    throw invalid(`expected a media type in ${what}`);
  const sizeBytes = given.get('size');
  if (typeof sizeBytes !== 'number' || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0)
    throw invalid(`expected a size in ${what}`);
  const digest = given.get('digest');
  if (typeof digest !== 'string') throw invalid(`expected a digest in ${what}`);
  try {
    const mayBeAbsent = foreignLayerPattern.test(mediaType);
    return { mediaType, sizeBytes, digest: checkDigest(digest), mayBeAbsent };
  } catch (cause) {
    throw new Fault('invalid', 'registry.manifest_invalid', `expected a sha256 or sha512 digest in ${what}`, {
      cause,
    });
  }
}

function artifactType(value: unknown): string | undefined {
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string' || !mediaTypePattern.test(value))
    throw invalid('expected artifactType to be a media type');
  return value;
}

/** Bytes: a list of referrers repeats the annotations of each, so a few large ones would make every list of them large. */
const maxReferrerAnnotations = 65_536;

function requireFewAnnotations(given: Readonly<Record<string, string>>): void {
  const sizeBytes = Buffer.byteLength(JSON.stringify(given));
  if (sizeBytes > maxReferrerAnnotations)
    throw invalid(
      `expected at most ${maxReferrerAnnotations} bytes of annotations beside a subject, got ${sizeBytes}`,
    );
}

function annotations(value: unknown): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {};
  const entries: Array<readonly [string, string]> = [];
  for (const [key, text] of fields(value, 'annotations')) {
    if (typeof text !== 'string') throw invalid('expected annotations to be texts');
    entries.push([key, text]);
  }
  return Object.fromEntries(entries);
}

function invalid(message: string): Fault {
  return new Fault('invalid', 'registry.manifest_invalid', message);
}
