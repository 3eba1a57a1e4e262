import { utf8 } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Db } from '#platform';
import {
  claimOf,
  definitionText,
  jobReport,
  openPipeline,
  type PipelineFixture,
  stepReport,
} from '../../test-support/pipeline.ts';
import { createPipeline, type Pipeline } from './index.ts';

/**
 * The process dies at each write of a run's life, once just before the write is durable and once just after. A new
 * process on the same database and files then does what an agent does anyway, ask again, and every run must end as an
 * undisturbed one, or failed with the reason where repeating could act twice.
 */

class Killed extends Error {}

let f: PipelineFixture;
// No step with effects: those are not repeated, which the next test shows.
const steps = ['install', 'unit'];
const text = definitionText
  .replace(/ {2}- name: integration[\s\S]*?(?=environments:)/, '')
  .replace(/ {4}- \{ name: compile.*\n/, '');

beforeAll(async () => {
  f = await openPipeline();
  f.source.commit({ 'sallyport.yaml': text });
  await f.pipeline.repositories.add(f.admin, 'shop', 'orders', { source: f.source.path });
});
afterAll(() => f.close());

/** A pipeline whose process dies at its `at`th write. */
function mortal(at: number, when: 'before' | 'after'): { pipeline: Pipeline; writes: () => number } {
  let count = 0;
  const db: Db = {
    ...f.deps.db,
    write: async (work) => {
      count += 1;
      const dies = count === at;
      const result = await f.deps.db.write(async (tx, then) => {
        const done = await work(tx, then);
        if (dies && when === 'before') throw new Killed();
        return done;
      });
      if (dies) throw new Killed();
      return result;
    },
  };
  return { pipeline: createPipeline({ ...f.deps, db }), writes: () => count };
}

/** One process: polls, leases and builds as far as it gets. */
async function work(pipeline: Pipeline): Promise<void> {
  const [repository] = await f.pipeline.repositories.list('shop');
  await pipeline.poll.repository(repository?.id ?? '');
  const grant = await pipeline.jobs.lease(f.agent);
  if (grant === undefined) return;
  const claim = claimOf(f.agent, grant);
  await pipeline.jobs.heartbeat(claim);
  for (const step of steps) {
    await pipeline.steps.grant(claim, step);
    await pipeline.steps.appendLog(claim, step, 0, utf8(step));
    await pipeline.steps.finish(claim, step, stepReport(step));
  }
  await pipeline.jobs.finish(claim, jobReport());
}

async function expectOneBuiltRun(commit: string): Promise<void> {
  const runs = (await f.pipeline.runs.list({ project: 'shop', limit: 50 })).filter(
    (run) => run.commit === commit,
  );
  expect(runs.map(({ state }) => state)).toEqual(['built']);
  const [run] = runs;
  const all = await f.pipeline.runs.steps(run?.id ?? '');
  const last = all.filter(({ attempt }) => attempt === run?.attempt);
  expect(last.map(({ status }) => status)).toEqual(steps.map(() => 'succeeded'));
}

describe('a process that dies', () => {
  it('at any write leaves a run that another finishes, once', async () => {
    f.source.commit({ 'a.txt': 'undisturbed' });
    const whole = mortal(0, 'before');
    await work(whole.pipeline);
    const total = whole.writes();
    expect(total).toBeGreaterThan(10);

    for (let at = 1; at <= total; at += 1) {
      for (const when of ['before', 'after'] as const) {
        const commit = f.source.commit({ 'a.txt': `${at} ${when}` });
        const { pipeline } = mortal(at, when);
        await work(pipeline).catch((error: unknown) => {
          if (!(error instanceof Killed)) throw error;
        });

        // The next process: the lease of the dead one's agent ends, then everything is asked for again.
        f.clock.advance(31_000);
        const next = createPipeline(f.deps);
        await next.jobs.reclaim();
        await work(next);

        await expectOneBuiltRun(commit);
      }
    }
  }, 180_000);

  it('repeats nothing when an agent asks again after an answer that was lost', async () => {
    f.source.commit({ 'a.txt': 'answers' });
    const [repository] = await f.pipeline.repositories.list('shop');
    await f.pipeline.poll.repository(repository?.id ?? '');
    const grant = await f.pipeline.jobs.lease(f.agent);
    if (grant === undefined) throw new Error('expected a job');
    const claim = claimOf(f.agent, grant);
    for (const step of steps) {
      await f.pipeline.steps.grant(claim, step);
      await f.pipeline.steps.appendLog(claim, step, 0, utf8(step));
      expect(await f.pipeline.steps.appendLog(claim, step, 0, utf8(step))).toBe(step.length);
      await f.pipeline.steps.finish(claim, step, stepReport(step));
      await f.pipeline.steps.finish(claim, step, stepReport(step));
      const other = f.pipeline.steps.finish(claim, step, stepReport(step, { exitCode: 3 }));
      await expect(other).rejects.toMatchObject({ code: 'pipeline.step_closed' });
    }
    await f.pipeline.jobs.finish(claim, jobReport());
    f.audit.clear();

    await f.pipeline.jobs.finish(claim, jobReport());

    expect(f.audit.events).toEqual([]);
    const other = f.pipeline.jobs.finish(claim, { ...jobReport(), materials: [] });
    await expect(other).rejects.toMatchObject({ code: 'pipeline.run_over' });
  });
});
