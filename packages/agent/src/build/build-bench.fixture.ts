import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Definition, JobGrant, JobReport, Step, StepGrant, StepReport } from '@sallyport/contract';
import { type Digest, digestOf, parseDigest, type TarEntry, writeTar } from '@sallyport/formats';
import { createEgress, type Registry } from '../egress/index.ts';
import { createSandbox, type Log } from '../sandbox/index.ts';
import { type Builder, createBuilder } from './builder.ts';
import type { JobPort } from './port.ts';

/** A builder with a real sandbox on a directory of its own, and a control plane that lives in memory. For tests. */
export interface BuildBench {
  readonly directory: string;
  readonly builder: Builder;
  readonly blobs: Map<string, Buffer>;
  run(job: JobGrant, options?: Partial<RunOptions>): Promise<Ran>;
  close(): Promise<void>;
}

interface RunOptions {
  readonly source: Uint8Array;
  readonly grants: Readonly<Record<string, Partial<StepGrant> | Error>>;
  readonly signal: AbortSignal;
}

export interface Ran {
  readonly report: JobReport;
  readonly steps: Map<string, StepReport>;
  readonly logs: Map<string, string>;
  readonly manifests: Map<string, Buffer>;
}

const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

export async function openBuildBench(registry: Registry, now = () => new Date()): Promise<BuildBench> {
  const directory = await mkdtemp(join(tmpdir(), 'sp-build-'));
  const clock = { now };
  const sandbox = await createSandbox({
    stateDirectory: join(directory, 'sandbox'),
    node: process.execPath,
    clock: { now: () => new Date() },
    log: silent,
  });
  const egress = createEgress({ registry, directory: join(directory, 'egress'), clock, log: silent });
  const builder = createBuilder({ sandbox, egress, clock, log: silent, directory: join(directory, 'b') });
  await egress.recover();
  await builder.recover();
  const blobs = new Map<string, Buffer>();

  return {
    directory,
    builder,
    blobs,
    async run(job, options = {}) {
      const ran: Ran = { report: failedReport, steps: new Map(), logs: new Map(), manifests: new Map() };
      const port = memoryPort(ran, blobs, options);
      return { ...ran, report: await builder.run(job, port) };
    },
    async close() {
      egress.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const failedReport: JobReport = { outcome: 'failed', materials: [] };

function memoryPort(ran: Ran, blobs: Map<string, Buffer>, options: Partial<RunOptions>): JobPort {
  return {
    signal: options.signal ?? new AbortController().signal,
    source: async () => chunked(options.source ?? new Uint8Array(0)),
    async grant(step) {
      const grant = options.grants?.[step];
      if (grant instanceof Error) throw grant;
      return { secrets: [], egress: [], expiresAt: '2030-01-01T00:00:00Z', ...grant };
    },
    async log(step, bytes) {
      ran.logs.set(step, (ran.logs.get(step) ?? '') + Buffer.from(bytes).toString('utf8'));
    },
    async stepFinished(step, report) {
      ran.steps.set(step, report);
    },
    registry: {
      hasBlob: async (_, digest) => blobs.has(digest),
      async pushBlob(_, blob) {
        const chunks: Uint8Array[] = [];
        for await (const chunk of blob.open()) chunks.push(chunk);
        const bytes = Buffer.concat(chunks);
        if (digestOf(bytes) !== blob.digest || bytes.length !== blob.sizeBytes)
          throw new Error('a blob is not its digest');
        blobs.set(blob.digest, bytes);
      },
      async pushManifest(_, { digest, bytes }) {
        ran.manifests.set(digest, Buffer.from(bytes));
        blobs.set(digest, Buffer.from(bytes));
      },
      manifest: async (_, digest) => stored(blobs, digest),
      blob: async (_, digest) => chunked(stored(blobs, digest)),
    },
  };
}

function stored(blobs: Map<string, Buffer>, digest: Digest): Uint8Array {
  const bytes = blobs.get(digest);
  if (bytes === undefined) throw new Error(`no blob ${digest}`);
  return Uint8Array.from(bytes);
}

async function* chunked(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
}

export const textFile = (path: string, text: string, mode = 0o644): TarEntry => ({
  type: 'file',
  path,
  mode,
  mtimeSeconds: 1,
  body: Uint8Array.from(Buffer.from(text)),
});

export function definitionWith(steps: readonly Step[], more: Partial<Definition> = {}): Definition {
  return {
    version: 1,
    triggers: { push: ['main'] },
    build: {
      image: 'host',
      steps: [...steps],
      artifacts: [
        { name: 'app', type: 'oci', paths: ['dist'], base: 'host', command: ['/bin/sh', 'dist/run.sh'] },
      ],
    },
    environments: {},
    ...more,
  };
}

export function jobFor(source: Uint8Array, definition: Definition, more: Partial<JobGrant> = {}): JobGrant {
  return {
    runId: 'run_01990000-0000-7000-8000-000000000001',
    attempt: 1,
    leaseToken: 'lease',
    leaseSeconds: 60,
    trust: 'trusted',
    project: 'shop',
    service: 'orders',
    repository: 'shop/orders',
    commit: createHash('sha1').update(source).digest('hex'),
    ref: 'refs/heads/main',
    commitEpochSeconds: 1_700_000_000,
    definition,
    sourceDigest: parseDigest(`sha256:${createHash('sha256').update(source).digest('hex')}`),
    ociRepository: 'shop/orders',
    ...more,
  };
}

/** A job and its source in one. */
export function jobOf(files: readonly TarEntry[], definition: Definition, more: Partial<JobGrant> = {}) {
  const source = writeTar(files);
  return { source, job: jobFor(source, definition, more) };
}
