import { join } from 'node:path';
import type { JobGrant, Material, TrustLevel } from '@sallyport/contract';
import { canonicalJson, type Digest, digestOf, Fault, mediaTypes, utf8 } from '@sallyport/formats';
import type { FetchedTool } from '../../egress/index.ts';
import { systemPath } from '../environment.ts';
import type { Blob, ImageRegistry } from '../port.ts';
import { architecture, type Base, emptyBase, readBase } from './base.ts';
import { workspaceEntries } from './entries.ts';
import { type Layer, writeLayer } from './layer.ts';
import { runtimeLayer } from './runtime-layer.ts';

/** An image on disk, not pushed yet. */
export interface Image {
  readonly digest: Digest;
  readonly manifest: Uint8Array;
  /** Config and layers, in the order they may be pushed. */
  readonly blobs: readonly Blob[];
  readonly sizeBytes: number;
  readonly materials: readonly Material[];
}

/** Tells who runs the image what it is laid upon; `host` means: on the system directories of the host. */
const baseLabel = 'dev.sallyport.base';

/**
 * Assembles the artifact from a workspace whose steps have ended. No program runs, and nothing but the commit, the
 * definition and the digests of what was fetched decides the bytes: the same commit gives the same digest.
 */
export async function assembleImage(options: {
  readonly job: JobGrant;
  readonly workspace: string;
  readonly runtime: readonly FetchedTool[];
  readonly registry: ImageRegistry;
  /** Of this job. */
  readonly directory: string;
  /** Of runtime layers, kept between jobs. */
  readonly cacheDirectory: string;
  readonly trust: TrustLevel;
  readonly hostMaterial: Material;
}): Promise<Image> {
  const { job, runtime } = options;
  const artifact = job.definition.build.artifacts[0];
  if (artifact === undefined)
    throw new Fault('invalid', 'build.no_artifact', 'expected one artifact in the definition, got none');
  const onImage = artifact.base !== 'scratch' && artifact.base !== 'host';
  const base = onImage ? await readBase(artifact.base, options.registry) : emptyBase;

  const layers: Layer[] = [];
  const materials: Material[] = [];
  if (onImage) materials.push({ uri: `oci:${artifact.base}`, digest: shaOf(artifact.base), kind: 'base' });
  if (artifact.base === 'host') materials.push(options.hostMaterial);
  if (runtime.length > 0) {
    const made = await runtimeLayer(runtime, {
      withHostLibraries: artifact.base === 'scratch',
      directory: options.cacheDirectory,
      trust: options.trust,
    });
    layers.push(made.layer);
    materials.push(...made.materials);
  }
  const entries = await workspaceEntries(options.workspace, artifact.paths, 'app', job.commitEpochSeconds);
  layers.push(await writeLayer(entries, join(options.directory, 'app.tar.gz')));

  const config = utf8(canonicalJson(configOf(job, base, layers, runtime)));
  const configDescriptor = { mediaType: mediaTypes.ociConfig, digest: digestOf(config), size: config.length };
  const descriptors = [
    ...base.layers.map((layer) => layer.descriptor),
    ...layers.map((layer) => layer.descriptor),
  ];
  const manifest = utf8(
    canonicalJson({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: configDescriptor,
      // Plain copies: a descriptor is an interface, and canonical JSON takes plain objects.
      layers: descriptors.map(({ mediaType, digest, size, annotations }) => ({
        mediaType,
        digest,
        size,
        ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
      })),
      annotations: {
        'org.opencontainers.image.created': createdOf(job),
        'org.opencontainers.image.revision': job.commit,
        [baseLabel]: artifact.base,
      },
    }),
  );
  const blobs: Blob[] = [
    ...base.layers.map((layer) => layer.blob),
    ...layers.map((layer) => layer.blob),
    { digest: configDescriptor.digest, sizeBytes: config.length, open: () => once(config) },
  ];
  return {
    digest: digestOf(manifest),
    manifest,
    blobs,
    sizeBytes: manifest.length + blobs.reduce((sum, blob) => sum + blob.sizeBytes, 0),
    materials,
  };
}

function configOf(job: JobGrant, base: Base, layers: readonly Layer[], runtime: readonly FetchedTool[]) {
  const artifact = job.definition.build.artifacts[0];
  const inherited = environmentOf(base.config?.Env ?? []);
  const path = [...runtime.map((tool) => tool.binPath), inherited.get('PATH') ?? systemPath].join(':');
  const env = new Map([...inherited, ['PATH', path] as const, ...Object.entries(artifact?.env ?? {})]);
  return {
    created: createdOf(job),
    architecture: architecture(),
    os: 'linux',
    config: {
      ...(base.config?.User === undefined ? {} : { User: base.config.User }),
      // As Entrypoint, so that a base image's own never stays in front of it.
      Entrypoint: [...(artifact?.command ?? [])],
      Env: [...env].map(([name, value]) => `${name}=${value}`),
      WorkingDir: '/app',
      Labels: { [baseLabel]: artifact?.base ?? '' },
    },
    rootfs: { type: 'layers', diff_ids: [...base.diffIds, ...layers.map((layer) => layer.diffId)] },
    history: [],
  };
}

function environmentOf(lines: readonly string[]): Map<string, string> {
  return new Map(
    lines
      .filter((line) => line.includes('='))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

function createdOf(job: JobGrant): string {
  return new Date(job.commitEpochSeconds * 1000).toISOString().replace('.000Z', 'Z');
}

function shaOf(reference: string): { sha256: string } {
  return { sha256: reference.slice(reference.lastIndexOf(':') + 1) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
