import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Definition, JobReport, StepReport } from '@sallyport/contract';
import { Fault, parseDigest, streamTar, type TarStreamEntry } from '@sallyport/formats';
import type { Builder } from './builder.ts';
import type { JobPort } from './port.ts';

/** What a person watching a local run is told, in order. */
export type LocalProgress =
  | { readonly kind: 'step-started'; readonly step: string }
  | { readonly kind: 'output'; readonly step: string; readonly bytes: Uint8Array }
  | { readonly kind: 'step-finished'; readonly step: string; readonly report: StepReport }
  | { readonly kind: 'note'; readonly text: string };

/** Never part of a commit, or made again by the steps. */
const leftOut = new Set(['.git', 'node_modules', '.sallyport']);

/**
 * `run --local`: the working directory through the same builder, sandbox and mirror as a real run, as an untrusted run:
 * no secrets, no identity, a cache that no trusted run reads. The working directory is copied, never changed, and the
 * image is not pushed anywhere; its digest is real.
 */
export async function runLocal(options: {
  readonly builder: Builder;
  readonly workingDirectory: string;
  readonly definition: Definition;
  /** Names at the top of the working directory to leave out besides the usual ones. */
  readonly exclude?: readonly string[];
  readonly runId: string;
  readonly commitEpochSeconds: number;
  readonly progress: (progress: LocalProgress) => void;
  readonly signal: AbortSignal;
}): Promise<JobReport> {
  const { builder, definition, progress, signal } = options;
  const entries = await entriesOf(
    options.workingDirectory,
    '',
    new Set([...leftOut, ...(options.exclude ?? [])]),
  );
  const hash = createHash('sha256');
  for await (const chunk of streamTar(entries)) hash.update(chunk);
  const steps = [...definition.build.steps, ...(definition.verify ?? [])];
  for (const step of steps) {
    const names = [...Object.keys(step.secrets ?? {}), ...Object.keys(step.secret_files ?? {})];
    if (names.length > 0) {
      progress({
        kind: 'note',
        text: `step "${step.name}" runs without ${names.join(', ')}: a local run has no secrets`,
      });
    }
  }
  const port: JobPort = {
    signal,
    source: async () => streamTar(entries),
    async grant(name) {
      progress({ kind: 'step-started', step: name });
      const step = steps.find((each) => each.name === name);
      return { secrets: [], egress: [...(step?.egress ?? [])], expiresAt: '9999-12-31T23:59:59Z' };
    },
    async log(step, bytes) {
      progress({ kind: 'output', step, bytes });
    },
    async stepFinished(step, report) {
      progress({ kind: 'step-finished', step, report });
    },
    registry: {
      hasBlob: async () => true,
      pushBlob: async () => undefined,
      pushManifest: async () => undefined,
      manifest: () => Promise.reject(noRegistry()),
      blob: () => Promise.reject(noRegistry()),
    },
  };
  return builder.run(
    {
      runId: options.runId,
      attempt: 1,
      leaseToken: '',
      leaseSeconds: 86_400,
      trust: 'untrusted',
      project: 'local',
      service: definition.service ?? 'local',
      repository: 'local',
      commit: '0'.repeat(40),
      ref: 'local',
      commitEpochSeconds: options.commitEpochSeconds,
      definition,
      sourceDigest: parseDigest(`sha256:${hash.digest('hex')}`),
      ociRepository: 'local/local',
    },
    port,
  );
}

async function entriesOf(
  root: string,
  relative: string,
  without: ReadonlySet<string>,
): Promise<TarStreamEntry[]> {
  const found: TarStreamEntry[] = [];
  for (const name of (await readdir(join(root, relative))).sort()) {
    if (without.has(name) && (relative === '' || name === 'node_modules')) continue;
    const path = relative === '' ? name : `${relative}/${name}`;
    const stat = await lstat(join(root, path));
    const entry = { path, mode: stat.mode & 0o111 ? 0o755 : 0o644, mtimeSeconds: 0 };
    if (stat.isDirectory()) {
      found.push({ ...entry, mode: 0o755, type: 'directory' }, ...(await entriesOf(root, path, without)));
    } else if (stat.isSymbolicLink()) {
      found.push({ ...entry, type: 'symlink', linkTarget: await readlink(join(root, path)) });
    } else if (stat.isFile()) {
      found.push({
        ...entry,
        type: 'file',
        sizeBytes: stat.size,
        open: () => createReadStream(join(root, path)),
      });
    }
  }
  return found;
}

function noRegistry(): Fault {
  return new Fault(
    'precondition',
    'build.local_base',
    'expected base `scratch` or `host`: a local run reads no registry of images',
    {
      hint: 'start a run on the server to build on an OCI image',
    },
  );
}
