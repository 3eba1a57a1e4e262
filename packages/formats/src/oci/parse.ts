import { fromUtf8 } from '../bytes/bytes.ts';
import { Fault } from '../fault.ts';
import { digest, integer, list, oneOf, open, plainObject, record, type Shape, text } from '../json/shape.ts';
import { parseStrictJson } from '../json/strict.ts';
import {
  type Descriptor,
  type ImageConfig,
  type ImageIndex,
  type ImageManifest,
  type ImageProcess,
  mediaTypes,
  type Platform,
} from './types.ts';

/** Registries commonly refuse more; ours does. */
export const maxManifestBytes = 4 * 1024 * 1024;

// Unknown fields are passed over: image-spec, "Canonicalization": readers must not fail on them.
const mediaType = text(
  255,
  /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+;= -]{0,126}$/,
);
const annotations = record(text(65_536), 1000);

const platform: Shape<Platform> = open<Platform>(
  { architecture: text(100), os: text(100) },
  { variant: text(100) },
);

const descriptor: Shape<Descriptor> = open<Descriptor>(
  { mediaType, digest, size: integer(0) },
  { artifactType: mediaType, annotations, data: text(1_048_576), platform },
);

const manifest: Shape<ImageManifest> = open<ImageManifest>(
  { schemaVersion: oneOf(2), config: descriptor, layers: list(descriptor, 1000) },
  {
    mediaType: oneOf(mediaTypes.ociManifest, mediaTypes.dockerManifest),
    artifactType: mediaType,
    subject: descriptor,
    annotations,
  },
);

const index: Shape<ImageIndex> = open<ImageIndex>(
  { schemaVersion: oneOf(2), manifests: list(descriptor, 10_000) },
  {
    mediaType: oneOf(mediaTypes.ociIndex, mediaTypes.dockerManifestList),
    artifactType: mediaType,
    subject: descriptor,
    annotations,
  },
);

const words = nullable(list(text(65_536), 10_000));

const processShape: Shape<ImageProcess> = open<ImageProcess>(
  {},
  {
    User: text(255),
    Env: words,
    Entrypoint: words,
    Cmd: words,
    WorkingDir: text(4096),
    Labels: nullable(record(text(65_536), 1000)),
  },
);

const config: Shape<ImageConfig> = open<ImageConfig>(
  {
    architecture: text(100),
    os: text(100),
    rootfs: open<ImageConfig['rootfs']>({ type: oneOf('layers'), diff_ids: list(digest, 1000) }, {}),
  },
  { variant: text(100), created: text(100), config: processShape },
);

export function parseImageManifest(bytes: Uint8Array): ImageManifest {
  const json = read(bytes, 'image manifest');
  refuseBoth(json);
  return manifest(json, 'manifest');
}

export function parseImageIndex(bytes: Uint8Array): ImageIndex {
  const json = read(bytes, 'image index');
  refuseBoth(json);
  return index(json, 'index');
}

export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  return config(read(bytes, 'image config'), 'config');
}

export function parseDescriptor(value: unknown): Descriptor {
  return descriptor(value, 'descriptor');
}

/** A document that is manifest and index at once would be read differently by two readers (CVE-2021-41190). */
function refuseBoth(json: unknown): void {
  const object = plainObject(json, 'manifest');
  const isManifest = Object.hasOwn(object, 'config') || Object.hasOwn(object, 'layers');
  if (isManifest && Object.hasOwn(object, 'manifests')) {
    throw new Fault(
      'invalid',
      'formats.oci_ambiguous',
      'expected a manifest or an index, got a document that is both',
    );
  }
}

function read(bytes: Uint8Array, what: string): unknown {
  if (bytes.length > maxManifestBytes) {
    throw new Fault(
      'invalid',
      'formats.oci_too_large',
      `expected an ${what} of at most ${maxManifestBytes} bytes, got ${bytes.length}`,
    );
  }
  return parseStrictJson(fromUtf8(bytes));
}

/** Go's encoder writes nil slices and maps as null; both mean empty. */
function nullable<T extends object>(shape: Shape<T>): Shape<T> {
  return (value, at) => {
    if (value !== null) return shape(value, at);
    try {
      return shape([], at);
    } catch {
      return shape({}, at);
    }
  };
}
