import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  build,
  createWorld,
  declare,
  definition,
  healthy,
  imageOf,
  offer,
  place,
  type World,
  worldMigrations,
} from '../../packages/server/src/release/world.fixture.ts';
import { openTestDb, type TestDb } from '../../packages/server/test-support/database.ts';
import { openPipeline, type PipelineFixture } from '../../packages/server/test-support/pipeline.ts';

/** Clocks that jump: by a broken battery, a restored snapshot, or somebody who may set them. */

const day = 24 * 3600 * 1000;

describe('soaking', () => {
  let test: TestDb;
  let world: World;
  beforeAll(async () => {
    test = await openTestDb(worldMigrations);
    world = createWorld({ db: test.db });
    const { prod, ...before } = definition().environments;
    if (prod === undefined) throw new Error('expected prod');
    const promote = { ...prod.promote, soak: '1h' };
    await declare(world, definition({ ...before, prod: { ...prod, promote } }));
  });
  afterAll(() => test.close());

  const soaked = async (name: string) => {
    const why = await world.release.why('shop', 'orders', imageOf(name), 'prod');
    return why.gates.find((gate) => gate.gate === 'soaked')?.passed;
  };
  const report = async (environment: string, name: string): Promise<void> => {
    const revision = (await world.release.currentRevision(place(environment))) ?? 0;
    await healthy(world, environment, name, { revision });
    await world.jobs.drain();
  };
  async function inStage(): Promise<string> {
    const name = randomUUID();
    await build(world, name);
    await offer(world, name);
    await world.jobs.drain();
    await report('dev', name);
    await report('stage', name);
    return name;
  }

  it('is not passed by setting the clock back, and counts nothing twice', async () => {
    const name = await inStage();
    const now = world.clock.now();
    world.clock.advance(-7 * day);
    expect(await soaked(name)).toBe(false);
    await report('stage', name);
    world.clock.set(now);
    expect(await soaked(name)).toBe(false);
  });

  it('counts a leap ahead for no longer than an agent may be silent', async () => {
    const name = await inStage();
    world.clock.advance(7 * day);
    // Silent for a week is not healthy for a week.
    expect(await soaked(name)).toBe(false);
  });
});

describe('a step', () => {
  let fixture: PipelineFixture;
  beforeAll(async () => {
    fixture = await openPipeline();
  });
  afterAll(() => fixture.close());

  it('that has ended holds nothing again, whatever the clock says', async () => {
    const { db, clock, deps } = fixture;
    const identity = {
      runId: 'run_1',
      step: 'unit',
      project: 'shop',
      service: 'orders',
      trust: 'trusted',
      commit: 'c'.repeat(40),
      ref: 'refs/heads/main',
      audience: 'https://sallyport.test',
      ttlSeconds: 300,
    } as const;
    const real = deps.identity as typeof deps.identity & { authenticate(token: string): Promise<unknown> };
    const token = await db.write((tx) => real.issueStepToken(tx, identity));
    await expect(real.authenticate(token)).resolves.toMatchObject({ kind: 'step' });
    // Before it was issued, beyond what clocks may differ: refused, not believed to be of the future.
    clock.advance(-day);
    await expect(real.authenticate(token)).rejects.toMatchObject({ kind: 'unauthenticated' });
    clock.advance(day);
    await db.write((tx) => real.endStepTokens(tx, 'run_1'));
    for (const leap of [0, -60_000, 120_000]) {
      clock.advance(leap);
      await expect(real.authenticate(token)).rejects.toMatchObject({ kind: 'unauthenticated' });
    }
  });
});
