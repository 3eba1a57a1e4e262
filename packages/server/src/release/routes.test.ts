import { Fault } from '@sallyport/formats';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Authorize } from '#platform';
import { signingRoutes } from '#signing';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import { inTx } from '../../test-support/fakes.ts';
import { openTestHttp, type TestHttp } from '../../test-support/http.ts';
import { releaseRoutes } from './index.ts';
import {
  agent,
  build,
  createWorld,
  declare,
  imageOf,
  offer,
  place,
  someone,
  type World,
  worldMigrations,
} from './world.fixture.ts';

let test: TestDb;
let http: TestHttp;
let world: World;
let denied: string[] = [];
const authorize: Authorize = async (_actor, capability, path) => {
  if (denied.includes(path))
    throw new Fault('denied', 'identity.denied', `expected ${capability} on ${path}`);
};

beforeAll(async () => {
  test = await openTestDb(worldMigrations);
});
afterAll(async () => {
  await http?.close();
  await test.close();
});
beforeEach(async () => {
  await http?.close();
  await inTx(test.db, (tx) =>
    sql`truncate release_services, release_releases, release_promotions, release_approvals, release_holds,
      release_desired, release_observed, release_residences, release_drift, signing_evidence cascade`.execute(
      tx,
    ),
  );
  denied = [];
  world = createWorld({ db: test.db, authorize });
  await declare(world);
  http = await openTestHttp({
    routes: [releaseRoutes(world.release), signingRoutes(world.signing)],
    actors: { ada: someone('ada', ['release']), agent },
    authorize,
  });
});

async function call(method: string, path: string, body?: unknown, token = 'ada') {
  const response = await fetch(http.url + path, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

const prod = '/api/projects/shop/environments/prod';

describe('the routes', () => {
  it('take a promotion, an approval, and say why it waits', async () => {
    await build(world, 'one');
    const digest = imageOf('one');

    const promoted = await call('POST', '/api/projects/shop/environments/dev/promotions', { digest });
    expect(promoted).toMatchObject({ status: 202, body: { state: 'requested', digest, environment: 'dev' } });
    const approved = await call('POST', `${prod}/approvals`, { digest, reason: 'looks good' });
    expect(approved).toMatchObject({ status: 201, body: { person: 'psn_ada', service: 'orders' } });
    const why = await call('GET', `${prod}/why?digest=${digest}`);
    expect(why.body).toMatchObject({ outcome: 'refuse', environment: 'prod' });
    expect(why.body.next[0]).toBe(`sally promote ${digest} stage`);
    const status = await call('GET', '/api/projects/shop/status');
    expect(status.body.environments).toHaveLength(3);
    const promotions = await call('GET', '/api/projects/shop/promotions');
    expect(promotions.body.promotions).toHaveLength(1);
  });

  it('place and lift a hold, and refuse a promotion', async () => {
    await build(world, 'one');
    const held = await call('PUT', `${prod}/hold`, { reason: 'freeze' });
    expect(held).toMatchObject({ status: 200, body: { reason: 'freeze' } });
    expect((await call('DELETE', `${prod}/hold`)).body).toMatchObject({ lifted: true });
    const { body } = await call('POST', `${prod}/promotions`, { digest: imageOf('one') });

    const refused = await call('POST', `${prod}/refusals`, { promotionId: body.id, reason: 'no' });

    expect(refused.body).toMatchObject({ state: 'refused', outcome: 'refused by ada: no' });
  });

  it.each([
    ['POST', `${prod}/promotions`, { digest: 'latest' }, 400],
    ['POST', `${prod}/promotions`, { digest: imageOf('x'), extra: 1 }, 400],
    ['POST', `${prod}/promotions`, { digest: imageOf('x'), service: 'nope' }, 404],
    ['POST', '/api/projects/shop/environments/qa/promotions', { digest: imageOf('x') }, 404],
    ['POST', '/api/projects/other/environments/dev/promotions', { digest: imageOf('x') }, 404],
    ['POST', `${prod}/rollback`, { reason: 'x' }, 412],
    ['POST', `${prod}/refusals`, { promotionId: 'prm_nope', reason: 'x' }, 404],
    ['GET', `/api/projects/shop/trace/${imageOf('x')}`, undefined, 404],
    ['GET', `${prod}/why?digest=x`, undefined, 400],
  ])('answer %s %s %j with %i', async (method, path, body, status) => {
    expect((await call(method, path, body)).status).toBe(status);
  });

  it('ask for the capability on the path of the environment', async () => {
    denied = ['projects/shop/environments/prod/approvals', 'projects/shop/environments/prod/promotions'];

    expect((await call('POST', `${prod}/approvals`, { digest: imageOf('x') })).status).toBe(403);
    expect((await call('POST', `${prod}/promotions`, { digest: imageOf('x') })).status).toBe(403);
    expect((await call('POST', `${prod}/rollback`, { reason: 'x' })).status).toBe(403);
  });
});

describe('the agent protocol', () => {
  it('gives what is desired, at once when it differs, else when it changes', async () => {
    const path = '/api/agent/deployments?environments=shop/dev,shop/stage';
    const first = await call('GET', path, undefined, 'agent');
    expect(first.body.deployments).toEqual([]);
    const started = performance.now();
    const waiting = call('GET', `${path}&after=${first.body.cursor}&waitSeconds=20`, undefined, 'agent');
    await build(world, 'one');
    await offer(world, 'one');
    await world.jobs.drain();

    const changed = await waiting;

    expect(performance.now() - started).toBeLessThan(15_000);
    expect(changed.body.deployments).toEqual([
      expect.objectContaining({
        environment: 'dev',
        revision: 1,
        digest: imageOf('one'),
        ociRepository: 'shop/orders',
      }),
    ]);
    const same = await call('GET', `${path}&after=${changed.body.cursor}&waitSeconds=0`, undefined, 'agent');
    expect(same.body).toEqual(changed.body);
  });

  it('takes reports for the environments an agent serves, and for no other', async () => {
    await build(world, 'one');
    await offer(world, 'one');
    await world.jobs.drain();
    const report = {
      ...place('dev'),
      revision: 1,
      digest: imageOf('one'),
      sync: 'Synced',
      health: 'Healthy',
      findings: [],
      restarts: 0,
      observedAt: world.clock.now().toISOString(),
    };

    const sent = await call('POST', '/api/agent/deployments', report, 'agent');
    expect(sent).toMatchObject({ status: 200, body: { promotion: { state: 'healthy' } } });
    denied = ['agent/environments/shop/dev'];
    expect((await call('POST', '/api/agent/deployments', report, 'agent')).status).toBe(403);
    expect(
      (await call('GET', '/api/agent/deployments?environments=shop/dev', undefined, 'agent')).status,
    ).toBe(403);
    denied = [];
    const bad = await call('GET', '/api/agent/deployments?environments=shop/../x', undefined, 'agent');
    expect(bad.status).toBe(400);
  });
});

describe('the evidence routes', () => {
  it('give bundles and the trust root', async () => {
    await build(world, 'one');

    const evidence = await call('GET', `/api/evidence/${imageOf('one')}`);
    expect(evidence.body.evidence).toHaveLength(6);
    const root = await fetch(`${http.url}/api/trust-root`);
    expect(await root.text()).toBe(await world.signing.trustRoot());
    expect((await call('GET', '/api/evidence/latest')).status).toBe(404);
  });
});
