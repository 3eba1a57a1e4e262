import { setTimeout as sleep } from 'node:timers/promises';
import type { JobGrant, JobReport } from '@sallyport/contract';
import { isFault } from '@sallyport/formats';
import type { Builder, ImageRegistry, JobPort } from '../build/index.ts';
import type { Log } from '../sandbox/index.ts';
import { version } from '../version.ts';
import type { JobApi, ServerApi } from './server-api.ts';

export interface BuildLoopDeps {
  readonly api: ServerApi;
  readonly builder: Builder;
  readonly registry: ImageRegistry;
  readonly log: Log;
}

const waitSeconds = 20;
const retryMs = 500;

/** Takes one build after the other until `signal` aborts. Survives a server that is away. */
export async function runBuilds(deps: BuildLoopDeps, signal: AbortSignal): Promise<void> {
  let anew = false;
  while (!signal.aborted) {
    try {
      const job = await deps.api.lease(waitSeconds, anew, signal);
      anew = false;
      if (job !== undefined) await runJob(deps, job, signal);
    } catch (error) {
      if (signal.aborted) return;
      // A server that died after it gave a build and before it said so: nobody works on it, and its lease still runs.
      anew = true;
      deps.log.warn({ error: describe(error) }, 'the server gave no build, trying again');
      await sleep(retryMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

async function runJob(
  { api, builder, registry, log }: BuildLoopDeps,
  job: JobGrant,
  stop: AbortSignal,
): Promise<void> {
  const lost = new AbortController();
  const signal = AbortSignal.any([stop, lost.signal]);
  const jobApi = api.job(job);
  const heart = keepLease(jobApi, job, lost, log);
  log.info({ runId: job.runId, attempt: job.attempt }, 'a build starts');
  try {
    const report = await builder.run(job, jobPort(jobApi, registry, signal));
    await finish(jobApi, { ...report, agentVersion: version }, signal);
    log.info({ runId: job.runId, outcome: report.outcome }, 'a build ended');
  } catch (error) {
    log.warn({ runId: job.runId, error: describe(error) }, 'a build was given up');
    if (!lost.signal.aborted) await handBack(jobApi, describe(error), stop, log);
  } finally {
    clearInterval(heart);
  }
}

/** Told until it is known: the same report twice changes nothing, and an outcome must not be lost to a restart. */
async function finish(api: JobApi, report: JobReport, signal: AbortSignal): Promise<void> {
  await patiently(() => api.finish(report), signal);
}

/** Where this fails too, the lease runs out, and the run is given to another or comes back to us. */
async function handBack(api: JobApi, reason: string, stop: AbortSignal, log: Log): Promise<void> {
  try {
    await patiently(() => api.handBack(reason.slice(0, 400)), stop);
  } catch (error) {
    log.warn({ error: describe(error) }, 'a build could not be handed back');
  }
}

/** Repeats a call while the server is away, and no other failure. */
async function patiently<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isFault(error) || error.kind !== 'unavailable' || signal.aborted) throw error;
      await sleep(retryMs, undefined, { signal });
    }
  }
}

function keepLease(api: JobApi, job: JobGrant, lost: AbortController, log: Log): NodeJS.Timeout {
  return setInterval(
    () => {
      api.heartbeat().catch((error: unknown) => {
        // A server that is away takes nothing from us; only its word that the lease is another's does.
        if (!isFault(error) || error.kind === 'unavailable') return;
        log.warn({ runId: job.runId, error: describe(error) }, 'the lease was lost, the build stops');
        lost.abort(error);
      });
    },
    (job.leaseSeconds * 1000) / 3,
  );
}

function jobPort(api: JobApi, registry: ImageRegistry, signal: AbortSignal): JobPort {
  const offsets = new Map<string, number>();
  return {
    registry: patientRegistry(registry, signal),
    signal,
    source: () => patiently(() => api.source(), signal),
    grant: (step) => api.grant(step),
    async log(step, bytes) {
      const offset = offsets.get(step) ?? 0;
      // Appending at an offset makes a repeated call harmless: what arrived before is passed over.
      offsets.set(step, await patiently(() => api.appendLog(step, offset, bytes), signal));
    },
    stepFinished: (step, report) => patiently(() => api.stepFinished(step, report), signal),
  };
}

/** Content is named by its digest: pushed twice it is there once. */
function patientRegistry(registry: ImageRegistry, signal: AbortSignal): ImageRegistry {
  return {
    ...registry,
    hasBlob: (repository, digest) => patiently(() => registry.hasBlob(repository, digest), signal),
    pushBlob: (repository, blob) => patiently(() => registry.pushBlob(repository, blob), signal),
    pushManifest: (repository, manifest) =>
      patiently(() => registry.pushManifest(repository, manifest), signal),
  };
}

function describe(error: unknown): string {
  if (isFault(error)) return `${error.message} [${error.code}]`;
  return error instanceof Error ? error.message : String(error);
}
