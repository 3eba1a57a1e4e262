import type { JobGrant } from '@sallyport/contract';
import { digestOf, utf8 } from '@sallyport/formats';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  claimOf,
  definitionText,
  jobReport,
  openPipeline,
  type PipelineFixture,
  runStep,
  secretValue,
  stepReport,
} from '../../test-support/pipeline.ts';
import { pipelineAudited } from './index.ts';

let f: PipelineFixture;
beforeAll(async () => {
  f = await openPipeline();
  f.source.commit({ 'sallyport.yaml': definitionText, 'a.txt': 'a' }, 'first');
  await f.pipeline.repositories.add(f.admin, 'shop', 'orders', {
    source: f.source.path,
    allowedSigners: f.source.allowedSigners,
    protectedRefs: ['refs/tags/v*'],
  });
});
afterAll(() => f.close());
beforeEach(() => {
  f.audit.clear();
  f.wakes.length = 0;
});
afterEach(async () => {
  await f.db.write(async (tx) => {
    await sql`delete from pipeline_steps`.execute(tx);
    await sql`delete from pipeline_runs`.execute(tx);
  });
});

const coded = (code: string) => expect.objectContaining({ code });
const poll = async (): Promise<number> => {
  const [repository] = await f.pipeline.repositories.list('shop');
  return f.pipeline.poll.repository(repository?.id ?? '');
};
const newest = async () => (await f.pipeline.runs.list({ project: 'shop', limit: 1 }))[0];
const start = () => f.pipeline.runs.start(f.admin, { project: 'shop', repository: 'orders' });
const lease = async (): Promise<JobGrant> => {
  const grant = await f.pipeline.jobs.lease(f.agent);
  if (grant === undefined) throw new Error('expected a job');
  return grant;
};
/** What the ledger last heard of each run is what the table says. */
const expectAudited = async (): Promise<void> => {
  const [runs] = pipelineAudited();
  const said = new Map(
    f.audit.events.filter(({ state }) => state !== undefined).map((e) => [e.resource, e.state]),
  );
  for (const [resource, state] of await f.db.read((tx) => runs?.states(tx) ?? Promise.resolve([]))) {
    expect(said.get(resource)).toEqual(state);
  }
};

describe('the life of a run', () => {
  it('goes from a signed push over a build to its end, each step of it recorded', async () => {
    const commit = f.source.commit({ 'a.txt': String(Math.random()) }, 'feature one');

    expect(await poll()).toBe(1);
    expect(await poll()).toBe(0);
    const run = await newest();
    expect(run).toMatchObject({
      state: 'queued',
      trust: 'trusted',
      trigger: 'push',
      commit,
      definitionCommit: commit,
    });
    expect(run?.signatures.commit).toMatchObject({
      status: 'valid',
      signer: 'ann@example.com',
      scheme: 'ssh',
    });

    const grant = await lease();
    const claim = claimOf(f.agent, grant);
    expect(grant).toMatchObject({ attempt: 1, commit, service: 'orders', ociRepository: 'shop/orders' });
    expect(Object.keys(grant.definition.environments)).toEqual(['zulu', 'alpha']);
    expect(Buffer.from(await f.pipeline.source(claim)).includes('sallyport.yaml')).toBe(true);
    for (const step of ['install', 'compile', 'unit']) await runStep(f.pipeline, claim, step);
    const held = await f.pipeline.steps.grant(claim, 'integration');
    expect(held.identityToken).toMatch(/^ey/);
    expect(held.secrets.map(({ name, value }) => [name, Buffer.from(value, 'base64').toString()])).toEqual([
      ['API_KEY', secretValue],
    ]);
    await f.pipeline.steps.appendLog(claim, 'integration', 0, utf8('done'));
    await f.pipeline.steps.finish(claim, 'integration', stepReport('done'));
    await f.pipeline.jobs.finish(claim, jobReport());

    const record = await f.pipeline.runs.record(grant.runId);
    expect(record.run.state).toBe('built');
    expect(record.image).toEqual(jobReport().image);
    expect(record.steps.map(({ status }) => status)).toEqual(Array(4).fill('succeeded'));
    expect(record.steps[3]?.secrets).toEqual([{ name: 'API_KEY', ref: 'stripe/test#api_key', version: 1 }]);
    const files = await f.pipeline.runs.sourceFiles(grant.runId, ['./a.txt', 'none', '../a.txt']);
    expect(files.map(({ path }) => path)).toEqual(['a.txt']);
    expect(f.wakes).toEqual([`journey ${grant.runId}`]);
    for (const state of ['examined', 'attested', 'released', 'succeeded'] as const) {
      await f.db.write((tx) => f.pipeline.runs.advanceTo(tx, grant.runId, state));
      await f.db.write((tx) => f.pipeline.runs.advanceTo(tx, grant.runId, state));
    }
    expect((await newest())?.state).toBe('succeeded');
    const runEvents = f.audit.events
      .map(({ type }) => type)
      .filter((type) => type.startsWith('pipeline.run.'));
    expect(runEvents).toEqual(
      ['queued', 'building', 'built', 'examined', 'attested', 'released', 'succeeded'].map(
        (s) => `pipeline.run.${s}`,
      ),
    );
    expect(JSON.stringify(f.audit.events)).not.toContain(secretValue);
    await expectAudited();
  });

  it('refuses shortcuts', async () => {
    const { id } = await start();
    const advance = (state: 'released' | 'examined' | 'queued' | 'built') =>
      f.db.write((tx) => f.pipeline.runs.advanceTo(tx, id, state));

    await expect(advance('released')).rejects.toEqual(coded('pipeline.illegal_transition'));
    await expect(advance('examined')).rejects.toEqual(coded('pipeline.illegal_transition'));
    await expect(advance('built')).rejects.toEqual(coded('pipeline.illegal_transition'));
    const claim = claimOf(f.agent, await lease());
    await expect(f.pipeline.steps.grant(claim, 'compile')).rejects.toEqual(coded('pipeline.step_order'));
    await expect(f.pipeline.steps.grant(claim, 'nothing')).rejects.toEqual(coded('pipeline.no_step'));
    await expect(f.pipeline.jobs.finish(claim, jobReport())).rejects.toEqual(coded('pipeline.steps_open'));
    await f.pipeline.steps.grant(claim, 'install');
    await expect(f.pipeline.steps.grant(claim, 'install')).rejects.toEqual(coded('pipeline.step_granted'));
    await expect(f.pipeline.steps.appendLog(claim, 'compile', 0, utf8('x'))).rejects.toEqual(
      coded('pipeline.step_closed'),
    );
    await f.pipeline.steps.appendLog(claim, 'install', 0, utf8('x'));
    await expect(f.pipeline.steps.finish(claim, 'install', stepReport('y'))).rejects.toEqual(
      coded('pipeline.log_mismatch'),
    );
    const foreign = stepReport('x', {
      egress: [
        {
          at: '2026-01-02T03:04:05Z',
          step: 'other',
          kind: 'connect',
          decision: 'allowed',
          uri: 'a:1',
          lock: 'not-applicable',
          cache: 'none',
        },
      ],
    });
    await expect(f.pipeline.steps.finish(claim, 'install', foreign)).rejects.toEqual(
      coded('pipeline.foreign_egress'),
    );
    await f.pipeline.steps.finish(claim, 'install', stepReport('x', { outcome: 'failed', exitCode: 1 }));
    await expect(f.pipeline.steps.grant(claim, 'compile')).rejects.toEqual(coded('pipeline.step_order'));
    await f.pipeline.jobs.finish(claim, { outcome: 'failed', reason: 'step install failed', materials: [] });
    expect(await newest()).toMatchObject({ state: 'failed', reason: 'step install failed' });
  });

  it('is ended by a cancel, and its agent is told', async () => {
    const { id } = await start();
    const claim = claimOf(f.agent, await lease());
    await f.pipeline.steps.grant(claim, 'install');

    await f.pipeline.jobs.cancel(f.admin, id, 'not needed');

    await expect(f.pipeline.jobs.heartbeat(claim)).rejects.toEqual(coded('pipeline.run_cancelled'));
    await expect(f.pipeline.steps.appendLog(claim, 'install', 0, utf8('x'))).rejects.toEqual(
      coded('pipeline.run_cancelled'),
    );
    expect((await f.pipeline.runs.steps(id))[0]?.status).toBe('lost');
    expect(await newest()).toMatchObject({ state: 'cancelled', reason: 'not needed' });
    await expectAudited();
  });
});

describe('trust', () => {
  const evil = definitionText
    .replace(
      '{ name: install, run: npm ci, network: registries }',
      '{ name: steal, run: env, network: registries }',
    )
    .replace('service: orders', 'service: payments');

  it('never comes from a pull request: the protected definition builds it, without secrets or identity', async () => {
    f.source.git('checkout', '-q', '-b', 'pr');
    const commit = f.source.commit({ 'sallyport.yaml': evil });
    f.source.git('update-ref', 'refs/pull/7/head', commit);
    f.source.git('checkout', '-q', 'main');
    f.source.git('branch', '-qD', 'pr');

    expect(await poll()).toBe(1);
    const run = await newest();
    expect(run).toMatchObject({ trust: 'untrusted', trigger: 'pull_request', commit, service: 'orders' });
    expect(run?.definitionCommit).toBe(f.source.git('rev-parse', 'main'));
    const grant = await lease();
    const claim = claimOf(f.agent, grant);
    expect(grant.definition.build.steps.map(({ name }) => name)).toEqual(['install', 'compile']);
    expect(grant.definition.verify?.map(({ name }) => name)).toEqual(['unit']);
    const held = await f.pipeline.steps.grant(claim, 'install');
    expect(held).toMatchObject({ secrets: [] });
    expect(held.identityToken).toBeUndefined();
    await expect(f.pipeline.steps.grant(claim, 'integration')).rejects.toEqual(
      coded('pipeline.step_granted'),
    );
    await f.pipeline.steps.finish(claim, 'install', stepReport(''));
    for (const step of ['compile', 'unit']) await runStep(f.pipeline, claim, step);
    await f.pipeline.jobs.finish(claim, jobReport());
    const advance = (state: 'examined' | 'attested' | 'released' | 'succeeded') =>
      f.db.write((tx) => f.pipeline.runs.advanceTo(tx, grant.runId, state));
    await advance('examined');
    await advance('attested');
    await expect(advance('released')).rejects.toEqual(coded('pipeline.illegal_transition'));
    await advance('succeeded');
  });

  it('is not given to other branches, nor to tags off the protected branch', async () => {
    f.source.git('checkout', '-q', '-b', 'feature/x');
    const commit = f.source.commit({ 'sallyport.yaml': evil });
    f.source.git('tag', 'v9.9.9');
    f.source.git('checkout', '-q', 'main');

    expect(await poll()).toBe(2);
    const runs = await f.pipeline.runs.list({ project: 'shop', limit: 10 });
    expect(runs.map(({ trust, service, commit: of }) => [trust, service, of])).toEqual([
      ['untrusted', 'orders', commit],
      ['untrusted', 'orders', commit],
    ]);
  });

  it('is given to a tag on the protected branch, with the judgement of its signature', async () => {
    f.source.git('tag', '-s', '-m', 'release', 'v1.0.0');

    expect(await poll()).toBe(1);
    expect(await newest()).toMatchObject({
      trust: 'trusted',
      trigger: 'tag',
      signatures: { tag: { status: 'valid' } },
    });
  });

  it('refuses a commit that the ref does not contain', async () => {
    const stranger = f.source.git('rev-parse', 'refs/pull/7/head');
    const wanted = { project: 'shop', repository: 'orders', commit: stranger };

    await expect(f.pipeline.runs.start(f.admin, wanted)).rejects.toEqual(coded('pipeline.no_commit'));
    await expect(f.pipeline.runs.start(f.admin, { ...wanted, ref: '--all' })).rejects.toEqual(
      coded('pipeline.bad_ref'),
    );
  });

  it('fails the run of a definition that cannot be read, saying where', async () => {
    f.source.commit({ 'sallyport.yaml': definitionText.replace('image:', 'imgae:') });

    expect(await poll()).toBe(1);
    const run = await newest();
    expect(run?.state).toBe('failed');
    expect(run?.reason).toMatch(/sallyport\.yaml:5:3: build\.imgae: .*did you mean "image"/);
    f.source.commit({ 'sallyport.yaml': definitionText });
    await poll();
  });
});

describe('a lost agent', () => {
  const loseLease = async (): Promise<number> => {
    f.clock.advance(31_000);
    return f.pipeline.jobs.reclaim();
  };

  it('is fenced off: another attempt goes on, the late messages change nothing', async () => {
    await start();
    const old = claimOf(f.agent, await lease());
    await runStep(f.pipeline, old, 'install');
    await f.pipeline.steps.grant(old, 'compile');

    expect(await loseLease()).toBe(1);
    const second = await lease();
    expect(second.attempt).toBe(2);
    for (const late of [
      () => f.pipeline.jobs.heartbeat(old),
      () => f.pipeline.steps.grant(old, 'compile'),
      () => f.pipeline.steps.appendLog(old, 'compile', 0, utf8('late')),
      () => f.pipeline.steps.finish(old, 'compile', stepReport('')),
      () => f.pipeline.jobs.finish(old, jobReport()),
      () => f.pipeline.source(old),
      () => f.pipeline.jobs.heartbeat({ ...claimOf(f.agent, second), agent: { ...f.agent, id: 'agt_2' } }),
      () => f.pipeline.jobs.heartbeat({ ...old, token: '' }),
    ]) {
      await expect(late()).rejects.toEqual(coded('pipeline.lease_lost'));
    }
    const claim = claimOf(f.agent, second);
    for (const step of ['install', 'compile', 'unit', 'integration']) await runStep(f.pipeline, claim, step);
    await f.pipeline.jobs.finish(claim, jobReport());
    expect((await newest())?.state).toBe('built');
    await expectAudited();
  });

  it('is not replaced when a step may have acted on the outside', async () => {
    await start();
    const claim = claimOf(f.agent, await lease());
    for (const step of ['install', 'compile']) await runStep(f.pipeline, claim, step);
    await f.pipeline.steps.grant(claim, 'integration');

    await loseLease();

    expect(await newest()).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('idempotent: true'),
    });
    expect(await f.pipeline.jobs.lease(f.agent)).toBeUndefined();
  });

  it('is replaced at most as often as told, and not while it lives', async () => {
    await start();
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      const claim = claimOf(f.agent, await lease());
      f.clock.advance(20_000);
      await f.pipeline.jobs.heartbeat(claim);
      f.clock.advance(20_000);
      expect(await f.pipeline.jobs.reclaim()).toBe(0);
      expect(await loseLease()).toBe(1);
    }

    expect(await newest()).toMatchObject({ state: 'failed', reason: 'the agent was lost in attempt 3 of 3' });
  });

  it('that says itself that it started again loses what it held at once', async () => {
    await start();
    const claim = claimOf(f.agent, await lease());

    expect(await f.pipeline.jobs.releaseOf({ ...f.agent, id: 'agt_2' })).toBe(0);
    expect(await f.pipeline.jobs.releaseOf(f.agent)).toBe(1);

    await expect(f.pipeline.jobs.heartbeat(claim)).rejects.toEqual(coded('pipeline.lease_lost'));
    expect((await lease()).attempt).toBe(2);
  });

  it('costs the run no attempt by its own word, however often it starts again or hands back', async () => {
    await start();

    for (let round = 1; round <= 20; round += 1) {
      const claim = claimOf(f.agent, await lease());
      if (round % 2 === 0) await f.pipeline.jobs.releaseOf(f.agent);
      else await f.pipeline.jobs.handBack(claim, 'the server was away');
      await expect(f.pipeline.jobs.heartbeat(claim)).rejects.toEqual(coded('pipeline.lease_lost'));
    }

    expect(await newest()).toMatchObject({ state: 'queued', attempt: 20 });
  });

  it('cannot hand back what is not its own any more', async () => {
    await start();
    const claim = claimOf(f.agent, await lease());
    await f.pipeline.jobs.releaseOf(f.agent);
    await lease();

    await expect(f.pipeline.jobs.handBack(claim, 'late')).rejects.toEqual(coded('pipeline.lease_lost'));
    expect(await newest()).toMatchObject({ state: 'building', attempt: 2 });
  });

  it('is no reason to lose the source: any replica makes the same archive again', async () => {
    await start();
    const { createPipeline } = await import('./index.ts');
    const replica = createPipeline({ ...f.deps, directory: `${f.deps.directory}-other` });
    const grant = await lease();

    const bytes = await replica.source(claimOf(f.agent, grant));

    expect(digestOf(bytes)).toBe(grant.sourceDigest);
  });

  it('gets one run at a time, and two agents never the same', async () => {
    await start();
    await start();

    const grants = await Promise.all([1, 2, 3].map(() => f.pipeline.jobs.lease(f.agent)));

    const given = grants.flatMap((grant) => (grant === undefined ? [] : [grant.runId]));
    expect(new Set(given).size).toBe(given.length);
    expect(given).toHaveLength(2);
  });
});

describe('polling', () => {
  it('starts one run of one push, however many look at once', async () => {
    f.source.commit({ 'a.txt': String(Math.random()) });
    const { createPipeline } = await import('./index.ts');
    const replica = createPipeline({ ...f.deps, directory: `${f.deps.directory}-replica` });
    const [repository] = await f.pipeline.repositories.list('shop');

    const started = await Promise.all(
      [f.pipeline, f.pipeline, replica].map((p) => p.poll.repository(repository?.id ?? '')),
    );

    expect(started.reduce((sum, count) => sum + count, 0)).toBe(1);
  });

  it('notes what went wrong and goes on', async () => {
    const other = f.source.path.replace(/source$/, 'gone');
    f.source.git('clone', '-q', '--bare', '.', other);
    const added = await f.pipeline.repositories.add(f.admin, 'shop', 'gone', { source: other });
    const { rmSync } = await import('node:fs');
    rmSync(other, { recursive: true });

    expect(await f.pipeline.poll.repository(added.id)).toBe(0);
    expect((await f.pipeline.repositories.get('shop', 'gone')).pollError).toBe(
      'the repository could not be fetched',
    );
  });
});

describe('repositories', () => {
  it.each([
    [{ source: 'ext::sh -c x' }, 'pipeline.bad_source'],
    [{ protectedBranch: 'refs/tags/x' }, 'pipeline.bad_ref'],
    [{ protectedBranch: '-x' }, 'pipeline.bad_ref'],
    [{ protectedRefs: ['refs/pull/*'] }, 'pipeline.bad_ref'],
    [{ definitionPath: '../x' }, 'pipeline.bad_path'],
    [{ allowedSigners: 'nonsense' }, 'pipeline.bad_signers'],
    [{ openPgpKeys: 'nonsense' }, 'pipeline.bad_signers'],
    [{ pollSeconds: -1 }, 'pipeline.bad_poll'],
  ])('refuse %j', async (settings, code) => {
    await expect(f.pipeline.repositories.change(f.admin, 'shop', 'orders', settings)).rejects.toEqual(
      coded(code),
    );
  });

  it('have one name each', async () => {
    const again = f.pipeline.repositories.add(f.admin, 'shop', 'orders', { source: f.source.path });

    await expect(again).rejects.toEqual(coded('pipeline.repository_exists'));
  });
});
