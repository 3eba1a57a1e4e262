import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Digest,
  isFault,
  type Revocation,
  type Revocations,
  type RevocationTarget,
} from '@sallyport/formats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { testInstallation } from '../../../formats/test-support/evidence.ts';
import type { Deployer } from './deployer.ts';
import {
  file,
  nodeCommand,
  onlyReport,
  openWorld,
  pushImage,
  revocationList,
  server,
  until,
  type World,
} from './test-support/world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(async () => {
  await world.close();
});

const image = (version: string): Digest =>
  pushImage(world.registry, [[file('app/server.cjs', server(version))]], nodeCommand).digest;

async function opened(): Promise<Deployer> {
  const deployer = world.deployer();
  await deployer.open();
  return deployer;
}

/** One that runs version one as revision 1, under an empty list. */
async function running(spec: Readonly<Record<string, unknown>> = {}): Promise<Deployer> {
  const deployer = await opened();
  await deployer.takeRevocations(world.revocations());
  await deployer.apply(world.desired(image('one'), 1, { spec }));
  expect(onlyReport(deployer)).toMatchObject({ revision: 1, health: 'Healthy', sync: 'Synced' });
  return deployer;
}

const entry = (id: string, target: RevocationTarget): Revocation => ({
  ...{ id, target, from: 'all', reason: 'host taken over', by: { id: 'psn_ada', name: 'Ada' } },
  at: new Date(Date.now() - 1000).toISOString(),
});
const ourBuilder = () => entry('rev_1', { kind: 'builder', builder: world.installation.trustRoot.builderId });
const list = (entries: readonly Revocation[], more: Partial<Revocations> = {}) =>
  world.revocations({ sequence: 2, entries, ...more });

/** Issued an hour and a half ago, for an hour. */
const old = (more: Partial<Revocations> = {}) => {
  const at = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();
  return world.revocations({ issuedAt: at(-90), nextUpdate: at(-30), ...more });
};

async function serves(): Promise<boolean> {
  return fetch(`http://127.0.0.1:${world.port}/`, { headers: { connection: 'close' } }).then(
    (answer) => answer.ok,
    () => false,
  );
}

async function refusalOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (isFault(error)) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('a revoked builder', () => {
  it('ends what runs, refuses what comes, and says who revoked it and why; also after a restart with no network', async () => {
    const deployer = await running();
    expect(await serves()).toBe(true);

    await deployer.takeRevocations(list([ourBuilder()]));

    const report = await until(deployer, 'stopped', ({ digest }) => digest === undefined);
    expect(report).toMatchObject({ revision: 1, sync: 'OutOfSync', health: 'Degraded' });
    expect(report.refusal?.code).toBe('deploy.revoked');
    expect(report.refusal?.message).toMatch(/builder .*, revoked by Ada at .*: host taken over/);
    expect(await serves()).toBe(false);

    await deployer.apply(world.desired(image('two'), 2));
    expect(onlyReport(deployer)).toMatchObject({ revision: 2, refusal: { code: 'deploy.revoked' } });
    await deployer.close();

    const next = await opened();
    await new Promise((resolve) => setTimeout(resolve, 1200));
    expect(onlyReport(next).digest).toBeUndefined();
    expect(onlyReport(next).refusal?.code).toBe('deploy.revoked');
    expect(await serves()).toBe(false);
  });

  it('leaves the port to a later release that another one built', async () => {
    const deployer = await running();
    const one = onlyReport(deployer).digest as Digest;
    await deployer.takeRevocations(list([entry('rev_1', { kind: 'digest', digest: one })]));
    await until(deployer, 'stopped', ({ digest }) => digest === undefined);

    await deployer.apply(world.desired(image('two'), 2));

    expect(onlyReport(deployer)).toMatchObject({ revision: 2, health: 'Healthy', sync: 'Synced' });
    expect(onlyReport(deployer).refusal).toBeUndefined();
    expect(await serves()).toBe(true);
  });

  it('is only reported where the environment says so, and not started again when it ends', async () => {
    const deployer = await running({ revoked: 'report' });

    await deployer.takeRevocations(list([ourBuilder()]));

    const report = await until(deployer, 'reported', ({ refusal }) => refusal?.code === 'deploy.revoked');
    expect(report).toMatchObject({ sync: 'OutOfSync', health: 'Degraded' });
    expect(await serves()).toBe(true);
    await fetch(`http://127.0.0.1:${world.port}/crash`).catch(() => undefined);
    await until(deployer, 'ended', ({ digest }) => digest === undefined);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(onlyReport(deployer).digest).toBeUndefined();
  });

  it('refuses an image that shows no provenance, or one that its verdict did not judge', async () => {
    const deployer = await opened();
    await deployer.takeRevocations(
      list([entry('rev_1', { kind: 'builder', builder: 'https://other.example' })]),
    );
    const { provenance: _hidden, ...bare } = world.desired(image('one'), 1);
    await deployer.apply(bare);
    expect(onlyReport(deployer).refusal?.message).toContain('provenance');
    expect(onlyReport(deployer).digest).toBeUndefined();

    const genuine = world.desired(image('two'), 2);
    const judgedElsewhere = world.desired(image('two'), 3).provenance ?? [];
    await deployer.apply({ ...genuine, provenance: judgedElsewhere });
    expect(onlyReport(deployer).refusal?.code).toBe('deploy.revoked');
    await deployer.apply(world.desired(image('two'), 4));
    expect(onlyReport(deployer)).toMatchObject({ revision: 4, health: 'Healthy' });
  });
});

describe('a list', () => {
  it('is not taken when it is older, shortened, another of its number, or of another installation', async () => {
    const deployer = await opened();
    const newest = list([ourBuilder()], { sequence: 5 });
    await deployer.takeRevocations(newest);
    const take = (bundle: string) => refusalOf(() => deployer.takeRevocations(bundle));

    expect(await take(list([ourBuilder()], { sequence: 4 }))).toBe('formats.revocations_rollback');
    expect(await take(list([], { sequence: 5 }))).toBe('formats.revocations_rollback');
    expect(await take(list([], { sequence: 6 }))).toBe('formats.revocations_shortened');
    const stranger = revocationList(testInstallation(), { sequence: 6, entries: [ourBuilder()] });
    expect(await take(stranger)).toBe('formats.bundle_refused');
    expect(await take(newest)).toBe('accepted');

    await deployer.apply(world.desired(image('one'), 1));
    expect(onlyReport(deployer).refusal?.code).toBe('deploy.revoked');
    await deployer.close();
    const next = await opened();
    expect(await refusalOf(() => next.takeRevocations(list([], { sequence: 4 })))).toBe(
      'formats.revocations_rollback',
    );
  });

  it('that is too old keeps what runs running, also over a restart, and lets nothing new in', async () => {
    const first = await running();
    await first.close();
    writeFileSync(join(world.directory, 'deploy', 'revocations.json'), old());

    const deployer = await opened();
    expect(onlyReport(deployer)).toMatchObject({ revision: 1, health: 'Healthy' });
    expect(await serves()).toBe(true);
    const two = world.desired(image('two'), 2);
    await deployer.apply(two);
    expect(onlyReport(deployer)).toMatchObject({
      revision: 2,
      refusal: { code: 'deploy.revocations_stale' },
      digest: world.desired(image('one'), 1).digest,
    });
    expect(await serves()).toBe(true);

    await deployer.takeRevocations(list([]));
    await deployer.apply(two);
    expect(onlyReport(deployer)).toMatchObject({ revision: 2, health: 'Healthy', digest: two.digest });
  });

  it('is needed before anything is accepted at all', async () => {
    const deployer = await opened();
    await deployer.apply(world.desired(image('one'), 1));
    expect(onlyReport(deployer).refusal?.code).toBe('deploy.revocations_stale');
    expect(await serves()).toBe(false);
  });

  it('that was damaged on disk ends the start: forgetting it would let an older one in', async () => {
    const first = await running();
    await first.close();
    writeFileSync(join(world.directory, 'deploy', 'revocations.json'), '{}');
    expect(await refusalOf(opened)).toBe('deploy.revocations_damaged');
  });
});
