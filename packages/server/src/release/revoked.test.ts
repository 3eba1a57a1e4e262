import { isFault, parseTrustRoot, verifyRevocations } from '@sallyport/formats';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { revocationRoutes } from '#signing';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import { inTx } from '../../test-support/fakes.ts';
import { openTestHttp, type TestHttp } from '../../test-support/http.ts';
import { Crash, type FaultPlan, faultyDb } from './faulty-db.fixture.ts';
import {
  build,
  createWorld,
  declare,
  healthy,
  imageOf,
  offer,
  place,
  sealRun,
  someone,
  type World,
  worldMigrations,
} from './world.fixture.ts';

let test: TestDb;
let world: World;
const officer = someone('officer');

beforeAll(async () => {
  test = await openTestDb(worldMigrations);
});
afterAll(() => test.close());
beforeEach(async () => {
  await clear();
  world = createWorld({ db: test.db });
  await declare(world);
});

/** The ledger with it: it refuses a list that begins anew. */
const clear = () =>
  inTx(test.db, async (tx) => {
    await sql`truncate release_services, release_releases, release_promotions, release_approvals, release_holds,
      release_desired, release_observed, release_residences, release_drift, signing_evidence, signing_revocations,
      signing_keys, signing_trust_roots, ledger_entries, ledger_outbox, ledger_tiles, ledger_checkpoints cascade`.execute(
      tx,
    );
    await sql`update ledger_head set tree_size = 0`.execute(tx);
  });

async function codeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (isFault(error)) return error.code;
    throw error;
  }
  return 'accepted';
}

const ourBuilder = () => ({ kind: 'builder', builder: world.signing.identityUris.builderId }) as const;
const gateOf = async (name: string, environment = 'dev') => {
  const why = await world.release.why('shop', 'orders', imageOf(name), environment);
  return { outcome: why.outcome, gate: why.gates.find(({ gate }) => gate === 'not-revoked'), why };
};

describe('the gate not-revoked', () => {
  it('refuses a withdrawn digest, and says who withdrew it, why, and what to do', async () => {
    await build(world, 'one');
    expect(await gateOf('one')).toMatchObject({ outcome: 'pass', gate: { passed: true } });

    await world.revocations.revoke(officer, {
      target: { kind: 'digest', digest: imageOf('one') },
      reason: 'it mines coins',
    });

    const { outcome, gate } = await gateOf('one');
    expect(outcome).toBe('refuse');
    expect(gate?.reason).toContain(`digest ${imageOf('one')}, revoked by officer at 2026-11-20T`);
    expect(gate?.reason).toContain('it mines coins');
    expect(gate?.fix).toContain('promote another release');
    await build(world, 'two');
    expect((await gateOf('two')).outcome).toBe('pass');
  });

  it('refuses all that a withdrawn builder built, and believes it again for what it builds after a restoration', async () => {
    await build(world, 'one');
    const entry = await world.revocations.revoke(officer, {
      target: ourBuilder(),
      reason: 'host taken over',
    });
    const refused = await gateOf('one');
    expect(refused.gate?.reason).toContain(`builder ${ourBuilder().builder}, revoked by officer`);
    expect(refused.why.rejected.map((each) => each.reason).join()).toContain('host taken over');

    await world.revocations.restore(officer, entry.id, 'a new host');

    expect((await gateOf('one')).outcome).toBe('refuse');
    await build(world, 'two');
    expect((await gateOf('two')).outcome).toBe('pass');
  });

  it('withdraws from an instant on by the order of the log, whatever a statement says of its time', async () => {
    await build(world, 'before');
    world.clock.advance(60_000);
    const from = world.clock.now();
    await build(world, 'after');
    world.clock.advance(60_000);

    await world.revocations.revoke(officer, { target: ourBuilder(), from, reason: 'key copied' });

    expect((await gateOf('before')).outcome).toBe('pass');
    expect((await gateOf('after')).gate).toMatchObject({ passed: false });
  });

  it('believes a digest that a builder which stands has built as well', async () => {
    await build(world, 'one');
    world.clock.advance(60_000);
    const from = world.clock.now();
    await sealRun(world, { image: 'one', runId: 'run_again' });
    await world.revocations.revoke(officer, { target: ourBuilder(), from, reason: 'key copied' });

    expect((await gateOf('one')).outcome).toBe('pass');
  });
});

describe('a revocation', () => {
  it('is refused when it lies in the future, is there already, or has nothing to restore', async () => {
    const target = ourBuilder();
    const later = new Date(world.clock.now().getTime() + 1000);
    const revoke = (more: object = {}) => world.revocations.revoke(officer, { target, reason: 'r', ...more });

    expect(await codeOf(() => revoke({ from: later }))).toBe('signing.revocation_future');
    const digest = { kind: 'digest', digest: imageOf('one') } as const;
    expect(await codeOf(() => revoke({ target: digest, from: world.clock.now() }))).toBe(
      'signing.revocation_digest',
    );
    const entry = await revoke();
    expect(await codeOf(revoke)).toBe('signing.already_revoked');
    expect(await codeOf(() => world.revocations.restore(officer, 'rev_other', 'r'))).toBe(
      'signing.revocation_unknown',
    );
    await world.revocations.restore(officer, entry.id, 'r');
    expect(await codeOf(() => world.revocations.restore(officer, entry.id, 'r'))).toBe(
      'signing.already_restored',
    );
    expect((await world.revocations.current()).list.entries).toHaveLength(2);
  });

  it('reaches agents with their poll, ends a waiting one, and ends the secrets of the deployment', async () => {
    await build(world, 'one');
    await offer(world, 'one');
    await world.jobs.drain();
    const never = new AbortController().signal;
    const first = await world.release.desiredSince(['shop/dev'], undefined, 0, never);
    expect(first.deployments[0]?.provenance).toHaveLength(1);
    expect(await world.release.currentDesired(place('dev'))).toMatchObject({ revision: 1 });

    const waiting = world.release.desiredSince(['shop/dev'], first.cursor, 20, never);
    await world.revocations.revoke(officer, { target: ourBuilder(), reason: 'host taken over' });

    const trust = parseTrustRoot(await world.signing.trustRoot());
    const known = verifyRevocations(first.revocations, trust);
    const next = verifyRevocations((await waiting).revocations, trust, known);
    expect(next.list).toMatchObject({ sequence: 2, entries: [{ reason: 'host taken over' }] });
    expect(await codeOf(() => world.release.currentDesired(place('dev')))).toBe('formats.revoked');
  });

  it('of what runs brings back the last healthy release, judged again, once', async () => {
    const refusal = { code: 'deploy.revoked', message: 'digest …, revoked by officer' };
    for (const [index, name] of ['one', 'two'].entries()) {
      await build(world, name);
      await offer(world, name);
      await world.jobs.drain();
      await healthy(world, 'dev', name, { revision: index + 1 });
      await world.jobs.drain();
      world.clock.advance(1000);
    }
    await world.revocations.revoke(officer, {
      target: { kind: 'digest', digest: imageOf('two') },
      reason: 'it mines coins',
    });
    for (let repeated = 0; repeated < 3; repeated += 1) {
      world.clock.advance(1000);
      await healthy(world, 'dev', 'two', { revision: 2, health: 'Degraded', sync: 'OutOfSync', refusal });
      await world.jobs.drain();
    }

    const inDev = (await world.release.promotions('shop')).filter(({ environment }) => environment === 'dev');
    expect(inDev.map(({ digest, purpose, state }) => [digest, purpose, state])).toEqual([
      [imageOf('one'), 'rollback', 'deployed'],
      [imageOf('two'), 'promote', 'healthy'],
      [imageOf('one'), 'promote', 'healthy'],
    ]);
  });

  it('is renewed before it is too old, and not more often than that', async () => {
    const first = await world.revocations.current();
    expect((await world.revocations.current()).bundle).toBe(first.bundle);
    world.clock.advance(6 * 3600 * 1000);
    const second = await world.revocations.current();
    expect(second.list.sequence).toBe(first.list.sequence + 1);
    expect(Date.parse(second.list.nextUpdate)).toBe(world.clock.now().getTime() + 86_400_000);
  });

  it('is the same on every replica, and no replica loses the entry of another', async () => {
    const other = createWorld({ db: test.db, world });
    await world.revocations.current();
    await Promise.all(
      Array.from({ length: 6 }, (_, i) =>
        (i % 2 === 0 ? world : other).revocations.revoke(officer, {
          target: { kind: 'digest', digest: imageOf(`image ${i}`) },
          reason: `r${i}`,
        }),
      ),
    );
    const one = await world.revocations.current();
    expect(one.list.entries.map(({ reason }) => reason).sort()).toEqual(['r0', 'r1', 'r2', 'r3', 'r4', 'r5']);
    expect((await other.revocations.current()).bundle).toBe(one.bundle);
  });

  it('cannot be taken back in the database: a list that was set back, changed or removed decides nothing', async () => {
    await world.revocations.current();
    const kept = await inTx(test.db, (tx) =>
      sql<{ sequence: number; predicate: string }>`
      select sequence, predicate from signing_revocations`.execute(tx),
    );
    await world.revocations.revoke(officer, { target: ourBuilder(), reason: 'host taken over' });
    await build(world, 'one');
    const [old] = kept.rows;
    const asks = () =>
      codeOf(() => createWorld({ db: test.db, world }).release.why('shop', 'orders', imageOf('one'), 'dev'));

    await inTx(test.db, (tx) =>
      sql`update signing_revocations set sequence = ${old?.sequence}, predicate = ${old?.predicate}`.execute(
        tx,
      ),
    );
    expect(await asks()).toBe('signing.revocations_altered');
    expect(await codeOf(() => world.release.why('shop', 'orders', imageOf('one'), 'dev'))).toBe(
      'signing.revocations_altered',
    );
    await inTx(test.db, (tx) => sql`delete from signing_revocations`.execute(tx));
    await world.ledger.integrate();
    expect(await asks()).toBe('signing.revocations_altered');
  });
});

describe('a crash', () => {
  const journey = async (plan?: FaultPlan) => {
    await clear();
    const db = faultyDb(test.db, plan);
    let mine = createWorld({ db });
    const target = { kind: 'digest', digest: imageOf('one') } as const;
    for (;;) {
      try {
        await mine.revocations.revoke(officer, { target, reason: 'it mines coins' });
        break;
      } catch (error) {
        if (isFault(error) && error.code === 'signing.already_revoked') break;
        if (!(error instanceof Crash)) throw error;
        mine = createWorld({ db, world: mine });
      }
    }
    const { bundle, list } = await mine.revocations.current();
    const trust = parseTrustRoot(await mine.signing.trustRoot());
    expect(verifyRevocations(bundle, trust).list).toEqual(list);
    const report = await mine.ledger.verify(mine.audited().filter(({ kind }) => kind === 'revocations'));
    return { writes: db.writes(), what: list.entries.map(({ reason }) => reason), findings: report.findings };
  };

  it('at any write loses no revocation that was acknowledged, and makes none twice', async () => {
    const whole = await journey();
    expect(whole).toMatchObject({ what: ['it mines coins'], findings: [] });
    for (let at = 1; at <= whole.writes; at += 1) {
      for (const mode of ['before', 'after'] as const) {
        expect(await journey({ at, mode })).toMatchObject({ what: ['it mines coins'], findings: [] });
      }
    }
  });
});

describe('the routes', () => {
  let http: TestHttp;
  afterEach(() => http?.close());

  it('take a revocation from who may, strictly, and show the signed list', async () => {
    http = await openTestHttp({
      routes: [revocationRoutes(world.revocations)],
      actors: { officer },
      authorize: async () => undefined,
    });
    const call = async (method: string, path: string, body?: object) => {
      const response = await fetch(http.url + path, {
        method,
        headers: { authorization: 'Bearer officer', 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: JSON.parse(await response.text()) };
    };
    const target = { kind: 'identity', subject: 'repo:shop/orders', issuer: 'https://issuer.example' };

    const made = await call('POST', '/api/revocations', { target, reason: 'left the team' });
    expect(made).toMatchObject({ status: 201, body: { target, from: 'all', by: { id: 'psn_officer' } } });
    for (const bad of [
      { target: { ...target, kind: 'all' }, reason: 'r' },
      { target: { kind: 'builder' }, reason: 'r' },
      { target: { kind: 'digest', digest: 'sha256:12' }, reason: 'r' },
      { target: { ...target, more: 1 }, reason: 'r' },
      { target, reason: '' },
      { target, reason: 'r', until: 'never' },
    ]) {
      expect((await call('POST', '/api/revocations', bad)).status).toBe(400);
    }
    const restored = await call('POST', `/api/revocations/${made.body.id}/restoration`, {
      reason: 'a mistake',
    });
    expect(restored).toMatchObject({ status: 201, body: { restores: made.body.id } });
    const { body } = await call('GET', '/api/revocations');
    const trust = parseTrustRoot(await world.signing.trustRoot());
    expect(verifyRevocations(body.bundle, trust).list.entries).toEqual(body.entries);
  });
});
