import { normalizeDefinition } from '@sallyport/contract';
import { Fault, readTar } from '@sallyport/formats';
import type { Actor, Tx } from '#platform';
import { systemActor } from '#platform';
import { checkCommitId, toRefName } from '../git/names.ts';
import { definitionOf } from '../jobs/plan.ts';
import type { RepositoryVerbs } from '../repositories/repositories.ts';
import type { PollDeps } from '../triggers/poll.ts';
import { prepareRun } from './prepare.ts';
import type { BuildRecord, Run, StepRecord } from './run.ts';
import { recordStart } from './start.ts';
import type { RunState } from './states.ts';
import type { RunQuery } from './store.ts';
import { transition } from './transition.ts';

export interface RunVerbs {
  /** Starts a run by hand, of the tip of a ref or of a commit that the ref contains. */
  start(
    actor: Actor,
    wanted: {
      readonly project: string;
      readonly repository: string;
      readonly ref?: string;
      readonly commit?: string;
    },
  ): Promise<Run>;
  get(runId: string): Promise<Run>;
  /** The run with all steps of all attempts. */
  steps(runId: string): Promise<StepRecord[]>;
  list(query: RunQuery): Promise<Run[]>;
  /** Everything the build is known by. Throws unless the run has a definition. */
  record(runId: string): Promise<BuildRecord>;
  /** Files of the commit as the steps were given them; a path that is no file of it is left out. */
  sourceFiles(
    runId: string,
    paths: readonly string[],
  ): Promise<Array<{ readonly path: string; readonly bytes: Uint8Array }>>;
  /**
   * Records how far the outer journey came. Legal or refused, in the caller's transaction; a state that is reached
   * already changes nothing, so a journey that was interrupted may say it again.
   */
  advanceTo(tx: Tx, runId: string, state: RunState, detail?: { readonly reason?: string }): Promise<Run>;
  /**
   * Whether the definition of a run may take the place of the one of commit `since`: it is not older. Else a run by hand
   * of an old commit would bring back the gates of its time. A commit that is in the history no more counts as older
   * than the head.
   */
  supersedes(runId: string, since: string): Promise<boolean>;
  /** Runs that the outer journey has still to bring to an end: for its restart. */
  unfinished(): Promise<string[]>;
}

const journeyStates: readonly RunState[] = ['examined', 'attested', 'released', 'succeeded', 'failed'];

export function createRunVerbs(deps: PollDeps, repositoryVerbs: RepositoryVerbs): RunVerbs {
  const { db, store, mirrors } = deps;

  async function get(runId: string): Promise<Run> {
    const run = await db.read((tx) => store.find(tx, runId));
    if (run !== undefined) return run;
    throw new Fault('not_found', 'pipeline.no_run', `expected a run, got "${runId.slice(0, 80)}"`);
  }

  return {
    get,
    list: (query) => db.read((tx) => store.list(tx, query)),
    steps: (runId) => db.read((tx) => store.steps(tx, runId)),

    async start(actor, wanted) {
      const repository = await repositoryVerbs.get(wanted.project, wanted.repository);
      const ref = wanted.ref === undefined ? repository.defaultRef : toRefName(wanted.ref);
      const run = await mirrors.using(repository, async (mirror) => {
        await mirror.fetch(repository.source);
        const tip = await mirror.find(ref);
        if (tip === undefined) {
          throw new Fault(
            'not_found',
            'pipeline.no_ref',
            `expected a ref of "${repository.name}", got "${ref}"`,
          );
        }
        const commit = wanted.commit === undefined ? tip.commit : checkCommitId(wanted.commit);
        // A commit that merely is in the mirror may come from a stranger's pull request.
        if (!(await mirror.hasCommit(commit)) || !(await mirror.isAncestor(commit, tip.commit))) {
          throw new Fault(
            'not_found',
            'pipeline.no_commit',
            `expected a commit of "${ref}", got "${commit}"`,
          );
        }
        const at = commit === tip.commit ? tip : { ref, object: commit, commit };
        return prepareRun(deps.prepare, { repository, mirror, at, trigger: 'manual', startedBy: actor.id });
      });
      if (run === undefined) throw new Fault('internal', 'pipeline.not_started', 'expected a run, got none');
      await db.write((tx) => recordStart(deps, tx, run, actor));
      return run;
    },

    async record(runId) {
      const run = await get(runId);
      const steps = await db.read((tx) => store.steps(tx, runId, run.attempt));
      const definition = definitionOf(run);
      const { canonical, digest } = normalizeDefinition(definition, run.service);
      if (digest !== run.definitionDigest) {
        throw new Fault(
          'integrity',
          'pipeline.definition_changed',
          'the stored definition does not match its digest',
        );
      }
      const image = run.state === 'failed' || run.state === 'cancelled' ? undefined : run.report?.image;
      return {
        run,
        definition,
        definitionDigest: digest,
        definitionCanonical: canonical,
        sourceDigest: run.sourceDigest ?? '',
        steps,
        egress: steps.flatMap(({ report }) => report?.egress ?? []),
        materials: run.report?.materials ?? [],
        ...(image === undefined ? {} : { image }),
      };
    },

    async sourceFiles(runId, paths) {
      if (paths.length === 0) return [];
      const wanted = new Set(paths.map((path) => path.replace(/^(\.\/)+/, '')));
      const archive = await deps.prepare.sources.read(await get(runId));
      const found: Array<{ readonly path: string; readonly bytes: Uint8Array }> = [];
      for await (const entry of readTar(archive)) {
        if (entry.type === 'file' && wanted.has(entry.path))
          found.push({ path: entry.path, bytes: await entry.bytes() });
      }
      return found;
    },

    async advanceTo(tx, runId, state, detail = {}) {
      const run = await store.lock(tx, runId);
      if (run === undefined)
        throw new Fault('not_found', 'pipeline.no_run', `expected a run, got "${runId.slice(0, 80)}"`);
      if (run.state === state) return run;
      if (!journeyStates.includes(state)) {
        const message = `expected one of ${journeyStates.join(', ')}, got ${state}`;
        throw new Fault('conflict', 'pipeline.illegal_transition', message);
      }
      const { reason } = detail;
      return transition(deps, tx, run, {
        to: state,
        actor: systemActor,
        ...(reason === undefined ? {} : { reason }),
      });
    },

    async supersedes(runId, since) {
      const { definitionCommit, repositoryId } = await get(runId);
      if (definitionCommit === undefined) return false;
      if (definitionCommit === since) return true;
      const repository = await db.read((tx) => deps.repositories.find(tx, repositoryId));
      if (repository === undefined) return false;
      return mirrors.using(repository, async (mirror) => {
        // Another replica may have fetched it.
        if (!(await mirror.hasCommit(definitionCommit))) await mirror.fetch(repository.source);
        if ((await mirror.hasCommit(since)) && (await mirror.isAncestor(since, definitionCommit)))
          return true;
        const head = await mirror.find(repository.defaultRef);
        const rewritten =
          head !== undefined &&
          !((await mirror.hasCommit(since)) && (await mirror.isAncestor(since, head.commit)));
        return rewritten && head.commit === definitionCommit;
      });
    },

    unfinished: () => db.read((tx) => store.listInState(tx, ['built', 'examined', 'attested', 'released'])),
  };
}
