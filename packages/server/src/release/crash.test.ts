import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import { inTx } from '../../test-support/fakes.ts';
import { Crash, type FaultPlan, faultyDb } from './faulty-db.fixture.ts';
import {
  build,
  createWorld,
  declare,
  healthy,
  imageOf,
  offer,
  place,
  someone,
  type World,
  worldMigrations,
} from './world.fixture.ts';

let test: TestDb;
const promoter = someone('promoter');
const approver = someone('approver', ['release']);

beforeAll(async () => {
  test = await openTestDb(worldMigrations);
});
afterAll(() => test.close());
const empty = () =>
  inTx(test.db, (tx) =>
    sql`truncate release_services, release_releases, release_promotions, release_approvals, release_holds,
      release_desired, release_observed, release_residences, release_drift, signing_evidence cascade`.execute(
      tx,
    ),
  );
beforeEach(empty);
afterEach(empty);

/**
 * A release from its offer to a failed one in prod and the rollback, each line as its caller would repeat it after an
 * error. `restart` gives a world on the same database, clock and queue, as a new process has.
 */
async function journey(plan?: FaultPlan): Promise<{ outcome: unknown; writes: number }> {
  const db = faultyDb(test.db, plan);
  let world = createWorld({ db });
  await declare(world);
  const restart = () => {
    world = createWorld({ db, world });
  };

  async function surviving(call: () => Promise<unknown>): Promise<void> {
    for (const work of [call, () => world.jobs.drain()]) {
      for (;;) {
        try {
          await work();
          break;
        } catch (error) {
          if (!(error instanceof Crash)) throw error;
          restart();
          await world.release.resume();
        }
      }
    }
  }

  async function report(environment: string, name: string, more = {}): Promise<void> {
    const revision = await world.release.currentRevision(place(environment));
    await surviving(() => healthy(world, environment, name, { revision: revision ?? 0, ...more }));
  }

  for (const name of ['one', 'two']) {
    await build({ signing: createWorld({ db: test.db, world }).signing }, name);
    world.clock.advance(1000);
    await surviving(() => offer(world, name));
    await report('dev', name);
    await report('stage', name);
    world.clock.advance(61_000);
    await report('stage', name);
    const request = { ...place('prod'), digest: imageOf(name) };
    await surviving(() => world.release.promote(promoter, request));
    await surviving(() => world.release.approve(approver, request));
    await report('prod', name, name === 'two' ? { health: 'Degraded' } : {});
  }
  await report('prod', 'one');
  return { outcome: await outcomeOf(world), writes: db.writes() };
}

/** What must not depend on crashes: states, revisions, and which evidence exists how often. */
async function outcomeOf(world: World): Promise<unknown> {
  const promotions = await world.release.promotions('shop');
  const evidence = [
    ...(await world.signing.list(imageOf('one'))),
    ...(await world.signing.list(imageOf('two'))),
  ];
  const counts: Record<string, number> = {};
  for (const each of evidence) {
    const { environment = '', verificationResult = '' } = each.predicate;
    const name = `${each.predicateType.split('/').at(-2)} ${String(environment)}${String(verificationResult)}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return {
    promotions: promotions.map(({ environment, digest, state, purpose, revision, concludedAt }) => ({
      environment,
      digest,
      state,
      purpose,
      revision,
      concluded: concludedAt !== undefined,
    })),
    desired: (await world.release.desiredFor(['shop/dev', 'shop/stage', 'shop/prod'])).map((each) => [
      each.environment,
      each.revision,
      each.digest,
    ]),
    counts,
    pending: world.jobs.pending(),
  };
}

describe('a kill at any write', () => {
  it('ends in the same state as an undisturbed journey', { timeout: 1_800_000 }, async () => {
    const calm = await journey();
    expect(calm.outcome).toMatchObject({ pending: [] });
    await empty();

    // Every seventh write, in the two ways by turns; CRASH_ALL=1 takes each write in both.
    const all = process.env['CRASH_ALL'] === '1';
    for (let at = 2; at <= calm.writes; at += all ? 1 : 7) {
      for (const mode of all
        ? (['before', 'after'] as const)
        : [at % 2 === 0 ? ('before' as const) : ('after' as const)]) {
        const disturbed = await journey({ at, mode });
        expect(disturbed.outcome, `write ${at}, ${mode} the commit`).toEqual(calm.outcome);
        await empty();
      }
    }
  });
});
