import { parseTrustRoot, verifyDesiredState } from '@sallyport/formats';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { signingAudited } from '#signing';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import { inTx } from '../../test-support/fakes.ts';
import { releaseAudited } from './index.ts';
import { isActive } from './promotion/promotion.ts';
import {
  build,
  createWorld,
  declare,
  definition,
  healthy,
  imageOf,
  offer,
  place,
  someone,
  type World,
  worldMigrations,
} from './world.fixture.ts';

let test: TestDb;
let world: World;
const promoter = someone('promoter');
const approver = someone('approver', ['release']);

beforeAll(async () => {
  test = await openTestDb(worldMigrations);
});
afterAll(() => test.close());
beforeEach(async () => {
  await inTx(test.db, (tx) =>
    sql`truncate release_services, release_releases, release_promotions, release_approvals, release_holds,
      release_desired, release_observed, release_residences, release_drift, signing_evidence cascade`.execute(
      tx,
    ),
  );
  world = createWorld({ db: test.db });
  await declare(world);
});

async function settle(): Promise<void> {
  await world.jobs.drain();
}

async function stateOf(environment: string, name: string) {
  const promotions = await world.release.promotions('shop');
  return promotions.find((each) => each.environment === environment && each.digest === imageOf(name));
}

/** Reports the current revision of an environment healthy. */
async function run(environment: string, name: string): Promise<void> {
  const revision = await world.release.currentRevision(place(environment));
  await healthy(world, environment, name, { revision: revision ?? 0 });
  await settle();
}

async function toStage(name: string): Promise<void> {
  await build(world, name);
  await offer(world, name);
  await settle();
  await run('dev', name);
  await run('stage', name);
}

async function toProd(name: string): Promise<void> {
  await toStage(name);
  for (let minute = 0; minute < 2; minute += 1) {
    world.clock.advance(40_000);
    await run('stage', name);
  }
  await world.release.promote(promoter, { ...place('prod'), digest: imageOf(name) });
  await world.release.approve(approver, { ...place('prod'), digest: imageOf(name) });
  await settle();
}

describe('the path', () => {
  it('carries a release to production, each step on signed evidence', async () => {
    await toProd('one');
    await run('prod', 'one');

    const promotions = await world.release.promotions('shop');
    expect(promotions.map((each) => [each.environment, each.state, each.automatic])).toEqual([
      ['prod', 'healthy', false],
      ['stage', 'healthy', true],
      ['dev', 'healthy', true],
    ]);
    const [desired] = await world.release.desiredFor(['shop/prod']);
    if (desired === undefined) throw new Error('nothing is desired');
    const verified = verifyDesiredState(desired.statement, parseTrustRoot(await world.signing.trustRoot()), {
      ...place('prod'),
      verdict: desired.verdict,
      subject: imageOf('one'),
      revision: 1,
      ociRepository: 'shop/orders',
    });
    expect(verified.desired.spec).toMatchObject({ target: { port: 8082 } });
    expect(verified.verdict.verdict.inputAttestations?.length).toBeGreaterThan(7);
    const status = await world.release.status('shop');
    expect(status.map((each) => [each.environment, each.sync, each.health, each.desired?.revision])).toEqual([
      ['dev', 'Synced', 'Healthy', 1],
      ['stage', 'Synced', 'Healthy', 1],
      ['prod', 'Synced', 'Healthy', 1],
    ]);
    expect(world.attached).toContain(
      `shop/orders ${imageOf('one')} https://slsa.dev/verification_summary/v1`,
    );
  });

  it('does not refuse what was promoted the moment it became healthy, before that was sealed', async () => {
    await build(world, 'one');
    await offer(world, 'one');
    await settle();
    await healthy(world, 'dev', 'one');

    const { id } = await world.release.promote(promoter, { ...place('stage'), digest: imageOf('one') });

    expect(await world.release.advance(id)).toMatchObject({ state: 'deployed' });
  });

  it('leaves tables that the ledger agrees with', async () => {
    await toProd('one');
    await world.release.hold(promoter, place('dev'), 'freeze');
    await world.release.unhold(promoter, place('dev'));
    while ((await world.ledger.integrate()) > 0);

    // Other tests have emptied the tables behind the ledger's back; what is there must agree.
    const report = await world.ledger.verify([...releaseAudited(), ...signingAudited()]);

    const present = (await world.release.promotions('shop')).map((each) => `promotion/${each.id}`);
    const wrong = report.findings.filter((finding) =>
      present.some((id) => JSON.stringify(finding).includes(id)),
    );
    expect(wrong).toEqual([]);
  });

  it('seals deployment evidence once per revision', async () => {
    await toStage('one');
    await run('dev', 'one');
    await run('dev', 'one');

    const evidence = await world.signing.list(imageOf('one'));
    const deployments = evidence.filter((each) => each.predicateType.includes('deployment'));
    expect(deployments.map((each) => each.predicate['environment'])).toEqual(['dev', 'stage']);
  });

  it('traces a digest in order, and hides it from other projects', async () => {
    await toStage('one');
    while ((await world.ledger.integrate()) > 0);

    const entries = await world.release.trace(imageOf('one'), 'shop');

    expect(entries.map((each) => each.time)).toEqual(entries.map((each) => each.time).sort());
    expect(entries.map((each) => each.type)).toContain('release.promotion.healthy');
    expect(entries.map((each) => each.type)).toContain('https://slsa.dev/provenance/v1');
    await expect(world.release.trace(imageOf('one'), 'other')).rejects.toMatchObject({ kind: 'not_found' });
  });
});

describe('refusals', () => {
  it('refuses an artifact that no run built, and seals the refusal', async () => {
    await world.release.promote(promoter, { ...place('dev'), digest: imageOf('stranger') });
    await settle();

    expect(await stateOf('dev', 'stranger')).toMatchObject({
      state: 'refused',
      outcome: expect.stringContaining('signature-valid, provenance, run-succeeded'),
    });
    const [verdict] = await world.signing.list(imageOf('stranger'));
    expect(verdict?.predicate).toMatchObject({ verificationResult: 'FAILED', verifiedLevels: [] });
    expect(await world.release.desiredFor(['shop/dev'])).toEqual([]);
  });

  it('does not let an artifact skip an environment', async () => {
    await build(world, 'one');
    await world.release.promote(promoter, { ...place('prod'), digest: imageOf('one') });
    await settle();

    expect(await stateOf('prod', 'one')).toMatchObject({
      state: 'refused',
      outcome: 'refused by soaked, approvals',
    });
  });

  it('does not believe a row whose bundle was changed', async () => {
    await build(world, 'one');
    await inTx(test.db, (tx) =>
      sql`update signing_evidence set bundle = replace(bundle, '"logIndex":"', '"logIndex":"1') where key = 'run_one/run'`.execute(
        tx,
      ),
    );

    const why = await world.release.why('shop', 'orders', imageOf('one'), 'dev');

    expect(why.outcome).toBe('refuse');
    expect(why.rejected).toHaveLength(1);
    expect(why.gates.find((gate) => gate.gate === 'run-succeeded')?.passed).toBe(false);
  });

  it('does not believe genuine evidence filed under another digest', async () => {
    await build(world, 'one');
    await inTx(test.db, (tx) => sql`update signing_evidence set subject = ${imageOf('evil')}`.execute(tx));

    const why = await world.release.why('shop', 'orders', imageOf('evil'), 'dev');

    expect(why.outcome).toBe('refuse');
    expect(why.gates.filter((gate) => gate.passed).map(({ gate }) => gate)).toEqual(['not-revoked']);
    expect(why.rejected).toHaveLength(6);
  });

  it('ends a promotion that a person refuses, once', async () => {
    await toStage('one');
    const { id } = await world.release.promote(promoter, { ...place('prod'), digest: imageOf('one') });
    await settle();

    await world.release.refuse(approver, id, 'not on a Friday');
    await settle();

    expect(await stateOf('prod', 'one')).toMatchObject({
      state: 'refused',
      outcome: 'refused by approver: not on a Friday',
    });
    await expect(world.release.refuse(approver, id, 'again')).rejects.toMatchObject({
      code: 'release.promotion_state',
    });
    const verdicts = (await world.signing.list(imageOf('one'))).map(
      (each) => each.predicate['verificationResult'],
    );
    expect(verdicts.filter((each) => each === 'FAILED')).toHaveLength(1);
    await expect(
      world.release.refuse(approver, id, 'x', { project: 'shop', environment: 'dev' }),
    ).rejects.toMatchObject({ kind: 'not_found' });
  });
});

describe('waiting', () => {
  it('waits for soak and approval, and says what is missing', async () => {
    await toStage('one');
    await world.release.promote(promoter, { ...place('prod'), digest: imageOf('one') });
    await settle();

    const why = await world.release.why('shop', 'orders', imageOf('one'), 'prod');

    expect(why.outcome).toBe('waiting');
    expect(why.gates.filter((gate) => !gate.passed).map((gate) => gate.gate)).toEqual([
      'soaked',
      'approvals',
    ]);
    expect(why.next.at(-1)).toContain(`sally approve ${imageOf('one')} prod`);
    expect((await stateOf('prod', 'one'))?.state).toBe('waiting');
  });

  it('does not count approvals by the author, the promoter or outsiders, nor one person twice', async () => {
    await toStage('one');
    await world.release.promote(promoter, { ...place('prod'), digest: imageOf('one') });
    const releaseGroup = ['release'];
    const request = { ...place('prod'), digest: imageOf('one') };
    await world.release.approve({ ...someone('author'), groups: releaseGroup }, request);
    await world.release.approve({ ...promoter, groups: releaseGroup }, request);
    await world.release.approve(someone('outsider'), request);

    const why = await world.release.why('shop', 'orders', imageOf('one'), 'prod');

    expect(why.gates.find((gate) => gate.gate === 'approvals')?.passed).toBe(false);
    const again = await world.release.approve(someone('outsider'), request);
    expect((await world.release.approve(someone('outsider'), request)).id).toBe(again.id);
    await expect(world.release.approve({ ...approver, kind: 'workload' }, request)).rejects.toMatchObject({
      code: 'release.approval_person',
    });
  });

  it('goes on by itself when the soak ends', async () => {
    await toStage('one');
    const request = { ...place('prod'), digest: imageOf('one') };
    await world.release.promote(promoter, request);
    await world.release.approve(approver, request);
    await settle();
    expect((await stateOf('prod', 'one'))?.state).toBe('waiting');

    world.clock.advance(59_000);
    await settle();
    expect((await stateOf('prod', 'one'))?.state).toBe('waiting');
    world.clock.advance(1_000);
    await settle();

    expect((await stateOf('prod', 'one'))?.state).toBe('deployed');
  });

  it('does not take the silence of an agent for soaking', async () => {
    await declare(
      world,
      definition({
        dev: { target: { type: 'process', port: 1 }, promote: { auto: true } },
        prod: { target: { type: 'process', port: 2 }, promote: { soak: '1h' } },
      }),
    );
    await build(world, 'one');
    await offer(world, 'one');
    await settle();
    await run('dev', 'one');

    world.clock.advance(2 * 3600_000);

    const why = await world.release.why('shop', 'orders', imageOf('one'), 'prod');
    expect(why.gates.find((gate) => gate.gate === 'soaked')).toMatchObject({ passed: false });
  });

  it('starts the soak again after the service was unhealthy', async () => {
    await toStage('one');
    world.clock.advance(50_000);
    await healthy(world, 'stage', 'one', { health: 'Degraded' });
    world.clock.advance(50_000);
    await run('stage', 'one');

    const why = await world.release.why('shop', 'orders', imageOf('one'), 'prod');

    expect(why.gates.find((gate) => gate.gate === 'soaked')?.passed).toBe(false);
  });
});

describe('holds and newer candidates', () => {
  it('suspends automatic promotion until the hold is lifted', async () => {
    await world.release.hold(promoter, place('dev'), 'freeze');
    await build(world, 'one');
    await offer(world, 'one');
    await settle();
    expect((await stateOf('dev', 'one'))?.state).toBe('held');

    await world.release.unhold(promoter, place('dev'));
    await settle();

    expect((await stateOf('dev', 'one'))?.state).toBe('deployed');
  });

  it('does not hold back what a person asks for', async () => {
    await world.release.hold(promoter, place('dev'), 'freeze');
    await build(world, 'one');
    await world.release.promote(promoter, { ...place('dev'), digest: imageOf('one') });
    await settle();

    expect((await stateOf('dev', 'one'))?.state).toBe('deployed');
  });

  it('lets a newer candidate supersede a waiting one, never the other way round', async () => {
    await world.release.hold(promoter, place('dev'), 'freeze');
    for (const name of ['one', 'two']) {
      await build(world, name);
      world.clock.advance(1000);
      await offer(world, name);
      await settle();
    }
    await offer(world, 'one');
    await settle();

    expect((await stateOf('dev', 'one'))?.state).toBe('superseded');
    expect((await stateOf('dev', 'two'))?.state).toBe('held');
    const active = (await world.release.promotions('shop')).filter((each) => isActive(each.state));
    expect(active).toHaveLength(1);
  });

  it('gives the promotion under way to whoever asks for the same again', async () => {
    await toStage('one');
    const request = { ...place('prod'), digest: imageOf('one') };

    const first = await world.release.promote(promoter, request);
    const second = await world.release.promote(someone('other'), request);

    expect(second.id).toBe(first.id);
  });
});

describe('rollback', () => {
  it('returns by itself to the last healthy release, judged again', async () => {
    await toProd('one');
    await run('prod', 'one');
    await toProd('two');
    await healthy(world, 'prod', 'two', { revision: 2, health: 'Degraded', restarts: 3 });
    await settle();

    expect(await stateOf('prod', 'two')).toMatchObject({
      state: 'failed',
      outcome: expect.stringContaining('unhealthy'),
    });
    const back = (await world.release.promotions('shop')).find((each) => each.purpose === 'rollback');
    expect(back).toMatchObject({ digest: imageOf('one'), state: 'deployed', revision: 3 });
    expect(back?.verdict?.outcome).toBe('pass');
    expect((await world.release.desiredFor(['shop/prod']))[0]).toMatchObject({
      digest: imageOf('one'),
      revision: 3,
    });
  });

  it('answers a release that started and then failed its checks, as the definition asks for unhealthy', async () => {
    await toProd('one');
    await run('prod', 'one');
    await toProd('two');
    await healthy(world, 'prod', 'one', {
      revision: 2,
      refusal: { code: 'deploy.unhealthy', message: 'no answer' },
    });
    await settle();

    expect((await stateOf('prod', 'two'))?.outcome).toBe('unhealthy: deploy.unhealthy: no answer');
  });

  it('does not roll back a rollback that fails', async () => {
    await toProd('one');
    await run('prod', 'one');
    await toProd('two');
    const refusal = { code: 'deploy.start_failed', message: 'exit 1' };
    await healthy(world, 'prod', 'one', { revision: 2, refusal });
    await settle();
    await healthy(world, 'prod', 'one', { revision: 3, refusal });
    await settle();

    const rollbacks = (await world.release.promotions('shop')).filter((each) => each.purpose === 'rollback');
    expect(rollbacks.map((each) => each.state)).toEqual(['failed']);
  });

  it('by a person, holds automatic promotion', async () => {
    await toStage('one');
    await toStage('two');

    const back = await world.release.rollback(promoter, { ...place('stage'), reason: 'slow' });
    await settle();

    expect(back.digest).toBe(imageOf('one'));
    expect((await world.release.status('shop'))[1]).toMatchObject({
      hold: 'rolled back: slow',
      desired: { digest: imageOf('one'), revision: 3 },
    });
    await build(world, 'three');
    world.clock.advance(1000);
    await offer(world, 'three');
    await settle();
    await run('dev', 'three');
    expect(await stateOf('stage', 'three')).toBeUndefined();

    // It stood back for the rollback, and gets its turn when that has ended.
    await run('stage', 'one');
    expect((await stateOf('stage', 'three'))?.state).toBe('held');
  });

  it('says so when there is nothing to return to', async () => {
    await expect(world.release.rollback(promoter, { ...place('prod'), reason: '' })).rejects.toMatchObject({
      code: 'release.nothing_to_roll_back_to',
    });
  });
});

describe('several replicas', () => {
  it('drive one promotion to one verdict, one revision and one set of evidence', async () => {
    await build(world, 'one');
    const replicas = [world, createWorld({ db: test.db }), createWorld({ db: test.db })];

    const opened = await Promise.all(
      replicas.map(({ release }) => release.promote(promoter, { ...place('dev'), digest: imageOf('one') })),
    );
    const ids = new Set(opened.map((each) => each.id));
    const [id = ''] = ids;
    const ends = await Promise.all([...replicas, ...replicas].map(({ release }) => release.advance(id)));

    expect(ids.size).toBe(1);
    expect(ends.map((each) => [each.state, each.revision])).toEqual(ends.map(() => ['deployed', 1]));
    const evidence = await world.signing.list(imageOf('one'));
    const sealed = evidence.filter((each) => each.key.startsWith('prm_')).map((each) => each.key);
    expect(sealed.sort()).toEqual([`${id}/desired/1`, `${id}/verdict/1`]);
  });
});

describe('the current desired state', () => {
  it('is what was signed, and nothing when the row was changed', async () => {
    await toStage('one');
    expect(await world.release.currentDesired(place('dev'))).toMatchObject({ revision: 1, secrets: {} });

    await inTx(test.db, (tx) =>
      sql`update release_desired set statement = replace(statement, '"logIndex":"', '"logIndex":"1')`.execute(
        tx,
      ),
    );

    await expect(world.release.currentDesired(place('dev'))).rejects.toMatchObject({ kind: 'integrity' });
  });
});

describe('reports', () => {
  it('does not let a report of an older revision move a newer promotion', async () => {
    await toStage('one');
    await toStage('two');
    await build(world, 'three');
    await world.release.promote(promoter, { ...place('dev'), digest: imageOf('three') });
    await settle();

    await healthy(world, 'dev', 'two', { revision: 2 });
    await settle();

    expect((await stateOf('dev', 'three'))?.state).toBe('deployed');
    expect((await world.release.status('shop'))[0]).toMatchObject({
      sync: 'OutOfSync',
      running: imageOf('two'),
    });
  });

  it('ignores reports that arrive late and refuses those from the future', async () => {
    await toStage('one');
    const late = new Date(world.clock.now().getTime() - 60_000).toISOString();
    await healthy(world, 'dev', 'one', { health: 'Degraded', observedAt: late });

    expect((await world.release.status('shop'))[0]?.health).toBe('Healthy');
    const future = new Date(world.clock.now().getTime() + 600_000).toISOString();
    await expect(healthy(world, 'dev', 'one', { observedAt: future })).rejects.toMatchObject({
      code: 'release.report_from_future',
    });
  });

  it('keeps each drift finding once', async () => {
    await toStage('one');
    const at = world.clock.now().toISOString();
    const finding = {
      kind: 'file-changed',
      path: '/app/x',
      expected: 'a',
      found: 'b',
      at,
      corrected: true,
    } as const;
    for (let n = 0; n < 3; n += 1)
      await healthy(world, 'dev', 'one', { findings: [finding], sync: 'OutOfSync' });

    expect((await world.release.status('shop'))[0]).toMatchObject({ sync: 'OutOfSync', drift: [finding] });
  });
});
