import { isFault } from '@sallyport/formats';
import type { Mirrors } from '../git/mirrors.ts';
import type { PipelineDeps } from '../ports.ts';
import type { Repository } from '../repositories/repository.ts';
import type { RepositoryStore } from '../repositories/store.ts';
import type { PrepareDeps } from '../runs/prepare.ts';
import { prepareRun } from '../runs/prepare.ts';
import { recordStart } from '../runs/start.ts';
import type { RunStore } from '../runs/store.ts';
import { triggerOf } from './match.ts';

export interface PollDeps extends PipelineDeps {
  readonly store: RunStore;
  readonly repositories: RepositoryStore;
  readonly mirrors: Mirrors;
  readonly prepare: PrepareDeps;
}

/** More changed refs than this wait for the next poll, so that a mirror of a huge repository starts no flood. */
const maxChanges = 50;

export interface Poll {
  /** Looks at one repository now. */
  repository(id: string): Promise<number>;
  /** Looks at all whose time has come; a failure of one is noted on it and stops no other. */
  due(): Promise<void>;
}

export function createPoll(deps: PollDeps): Poll {
  const { db, clock, log, repositories, mirrors } = deps;

  async function poll(repository: Repository): Promise<number> {
    return mirrors.using(repository, async (mirror) => {
      await mirror.fetch(repository.source);
      const now = await mirror.refs();
      const known = await db.read((tx) => repositories.refs(tx, repository.id));
      const changed = now.filter(({ ref, object }) => known.get(ref) !== object).slice(0, maxChanges);
      let started = 0;
      for (const at of changed) {
        const run = await prepareRun(deps.prepare, {
          repository,
          mirror,
          at,
          trigger: triggerOf(at.ref),
          startedBy: 'system',
        });
        // The ref and its run are one transaction: a crash before it polls again, after it nothing is lost, and of two
        // replicas that saw the same push one starts the run.
        const isFirst = await db.write(async (tx) => {
          if (!(await repositories.noteRef(tx, repository.id, at.ref, at.object))) return false;
          if (run !== undefined) await recordStart(deps, tx, run, { kind: 'system', id: 'system' });
          return run !== undefined;
        });
        if (isFirst) started += 1;
      }
      const present = new Set(now.map(({ ref }) => ref));
      const gone = [...known.keys()].filter((ref) => !present.has(ref));
      if (gone.length > 0) {
        await db.write(async (tx) => {
          for (const ref of gone) await repositories.forgetRef(tx, repository.id, ref);
        });
      }
      return started;
    });
  }

  async function pollAndNote(repository: Repository): Promise<number> {
    let problem: unknown;
    let started = 0;
    try {
      started = await poll(repository);
    } catch (error) {
      problem = error;
      log.warn({ err: error, repository: repository.id }, 'a repository could not be polled');
    }
    const text =
      problem === undefined ? undefined : isFault(problem) ? problem.message : 'an unexpected error';
    await db.write((tx) => repositories.notePoll(tx, repository.id, clock.now(), text?.slice(0, 1000)));
    return started;
  }

  return {
    async repository(id) {
      const found = await db.read((tx) => repositories.find(tx, id));
      return found === undefined ? 0 : pollAndNote(found);
    },

    async due() {
      const all = await db.read((tx) => repositories.list(tx));
      const time = clock.now().getTime();
      for (const repository of all) {
        const { pollSeconds, polledAt } = repository;
        const isDue = (polledAt?.getTime() ?? 0) + pollSeconds * 1000 <= time;
        if (pollSeconds > 0 && isDue) await pollAndNote(repository);
      }
    },
  };
}
