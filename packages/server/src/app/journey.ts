import { assertNever, digestOf, Fault, fromUtf8, parseDigest } from '@sallyport/formats';
import { type BuildRecord, builtQueue, type Pipeline, type RunState } from '#pipeline';
import type { Db, Jobs, Log } from '#platform';
import type { Registry } from '#registry';
import type { Release } from '#release';
import type { Signing } from '#signing';
import { type Examination, examine } from '#supply';
import { imageFiles } from './image-files.ts';
import { buildStatements, imageOf } from './statements.ts';

export interface JourneyDeps {
  readonly db: Db;
  readonly log: Log;
  readonly jobs: Jobs;
  readonly pipeline: Pipeline;
  readonly registry: Registry;
  readonly signing: Signing;
  readonly release: Release;
}

/**
 * What happens to a change after its build, top to bottom. Every step is idempotent by (run, step): examining is pure,
 * sealing has a key, declaring and offering are keyed by the run. The run's state says how far it came, so a crash
 * anywhere is resumed by the same code that runs normally.
 *
 *   built ──▶ examined ──▶ attested ──▶ released ──▶ succeeded        (an untrusted run ends after attested)
 */
export function createJourney(deps: JourneyDeps): { resume(): Promise<void> } {
  const { db, log, jobs, pipeline, registry, signing, release } = deps;

  const steps: Partial<Record<RunState, (record: BuildRecord) => Promise<RunState>>> = {
    built: async (record) => {
      await examineBuild(record);
      return 'examined';
    },
    examined: async (record) => {
      await attest(record);
      return 'attested';
    },
    attested: async (record) => {
      if (record.run.trust === 'untrusted') return 'succeeded';
      await offer(record);
      return 'released';
    },
    released: async () => 'succeeded',
  };

  jobs.handle(builtQueue, async (runId) => {
    for (;;) {
      const { state } = await pipeline.runs.get(runId);
      const step = steps[state];
      if (step === undefined) return;
      const next = await take(runId, step);
      await db.write((tx) => pipeline.runs.advanceTo(tx, runId, next.state, next.detail));
      log.info({ runId, from: state, to: next.state }, 'a run came further');
    }
  });

  /** What no retry can mend ends the run with its reason; everything else is thrown, and the wake comes again. */
  async function take(
    runId: string,
    step: (record: BuildRecord) => Promise<RunState>,
  ): Promise<{ state: RunState; detail?: { reason: string } }> {
    try {
      return { state: await step(await pipeline.runs.record(runId)) };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      switch (error.kind) {
        case 'invalid':
        case 'integrity':
        case 'precondition':
        // An image that was never pushed, a layer that is not there: its agent said so before, and asking again is no help.
        case 'not_found':
          return { state: 'failed', detail: { reason: `${error.message} [${error.code}]` } };
        case 'unauthenticated':
        case 'denied':
        case 'conflict':
        case 'exhausted':
        case 'unavailable':
        case 'internal':
          throw error;
        default:
          return assertNever(error.kind, 'fault kind');
      }
    }
  }

  async function examineBuild(record: BuildRecord): Promise<Examination & { lockfiles: Lockfile[] }> {
    const digest = imageOf(record);
    const lockfiles = await lockfilesOf(record);
    const [lockfile] = lockfiles;
    const examined = examine({
      runId: record.run.id,
      artifact: {
        name: repositoryOf(record),
        digest,
        files: await imageFiles(registry, repositoryOf(record), digest),
      },
      ...(lockfile === undefined ? {} : { lockfileText: lockfile.text }),
      egress: record.egress,
      materials: record.materials,
      buildSteps: record.definition.build.steps.map(({ name }) => name),
      commitEpochSeconds: record.run.facts.committer.epochSeconds,
    });
    return { ...examined, lockfiles };
  }

  async function attest(record: BuildRecord): Promise<void> {
    const { lockfiles, ...examined } = await examineBuild(record);
    const statements = buildStatements(record, examined, {
      builderId: signing.identityUris.builderId,
      definitionPath: 'sallyport.yaml',
      lockfiles: lockfiles.map(({ path, digest }) => ({ path, digest })),
    });
    const subject = { name: repositoryOf(record), digest: imageOf(record) };
    // Together, so that they share a batch of the log and one checkpoint.
    await Promise.all(
      statements.map(({ name, content }) =>
        signing.seal({
          key: `${record.run.id}/${name}`,
          subject,
          ...content,
          ociRepository: repositoryOf(record),
        }),
      ),
    );
  }

  async function offer(record: BuildRecord): Promise<void> {
    const { run, definition, definitionDigest } = record;
    const { project, service } = run;
    const before = (await release.serviceOf(project, service))?.definitionCommit;
    // An old commit may be built and released again, under the gates of today.
    if (before === undefined || (await pipeline.runs.supersedes(run.id, before))) {
      await db.write((tx) =>
        release.declare(tx, {
          project,
          service,
          ociRepository: repositoryOf(record),
          definition,
          repository: run.repository,
          definitionDigest: parseDigest(definitionDigest),
          definitionCommit: run.definitionCommit ?? run.commit,
          ...(before === undefined ? {} : { supersedes: before }),
        }),
      );
    }
    await release.offer({
      project,
      service,
      digest: imageOf(record),
      runId: run.id,
      commit: run.commit,
      author: { email: run.facts.author.email },
    });
  }

  interface Lockfile {
    readonly path: string;
    readonly text: string;
    readonly digest: ReturnType<typeof digestOf>;
  }

  /** From the commit's own archive, by digest: what the steps saw, whatever they did to their copy. */
  async function lockfilesOf(record: BuildRecord): Promise<Lockfile[]> {
    const wanted = new Set(record.definition.dependencies?.lockfiles ?? []);
    const found: Lockfile[] = [];
    for (const { path, bytes } of await pipeline.runs.sourceFiles(record.run.id, [...wanted])) {
      found.push({ path, text: fromUtf8(bytes), digest: digestOf(bytes) });
    }
    return found;
  }

  return {
    async resume() {
      await signing.resume();
      for (const runId of await pipeline.runs.unfinished()) {
        await db.write((tx) => jobs.wake(tx, builtQueue, runId));
      }
    },
  };
}

const repositoryOf = ({ run }: BuildRecord): string => `${run.project}/${run.service}`;
