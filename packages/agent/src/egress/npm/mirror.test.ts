import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEgress, type Egress, type JobEgress, type StepEgress } from '../egress.ts';
import type { EgressLimits } from '../limits.ts';
import { ask, startTinyRegistry, type TinyRegistry } from '../tiny-registry.fixture.ts';
import { createLockIndex, type LockEntry } from './lock-index.ts';
import type { PackagePolicy } from './package-source.ts';

const now = new Date('2026-01-10T00:00:00Z');
const bytes = (text: string) => Uint8Array.from(Buffer.from(text));

let registry: TinyRegistry;
let directory: string;
let egress: Egress;
const opened: (StepEgress | JobEgress)[] = [];

beforeEach(async () => {
  registry = await startTinyRegistry();
  directory = await mkdtemp(join(tmpdir(), 'sp-'));
  egress = egressWith({});
});
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
  egress.close();
  await registry.close();
  await rm(directory, { recursive: true, force: true });
});

function egressWith(limits: Partial<EgressLimits>, authorization?: string): Egress {
  return createEgress({
    registry: { url: registry.url, authorization },
    directory: join(directory, 'cache'),
    clock: { now: () => now },
    log: { warn: (fields) => expect.fail(`the mirror failed: ${JSON.stringify(fields)}`) },
    limits,
  });
}

interface Opened {
  readonly step: StepEgress;
  get(path: string, method?: string): ReturnType<typeof ask>;
}

async function open(
  lock: readonly LockEntry[],
  options: Partial<PackagePolicy> & { trust?: 'trusted' | 'untrusted'; egress?: Egress } = {},
): Promise<Opened> {
  const job = (options.egress ?? egress).openJob({
    trust: options.trust ?? 'trusted',
    policy: { lock: createLockIndex(lock), onUnverified: 'fail', ...options },
  });
  const step = await job.openStep({
    name: 'install',
    directory: await mkdtemp(join(directory, 's')),
    mirror: true,
  });
  opened.push(step, job);
  return { step, get: (path, method) => ask(step.mirrorSocket ?? '', path, method) };
}

describe('npm mirror', () => {
  it('gives a tarball whose bytes are what the lock file says, and records it', async () => {
    const integrity = registry.publish('@s/a', '1.0.0', bytes('good'), {
      fields: { scripts: { install: 'x' } },
    });
    const { step, get } = await open([{ name: '@s/a', version: '1.0.0', integrity }]);

    const document = await get('/@s%2fa');
    const tarball = await get('/@s/a/-/a-1.0.0.tgz');

    expect(JSON.parse(document.body.toString()).versions['1.0.0']).toMatchObject({
      dist: { tarball: 'http://127.0.0.1:4873/@s/a/-/a-1.0.0.tgz', integrity },
      hasInstallScript: true,
    });
    expect([tarball.status, tarball.body.toString()]).toEqual([200, 'good']);
    expect(step.records()).toMatchObject([
      { kind: 'npm-metadata', decision: 'allowed', uri: 'pkg:npm/%40s/a', lock: 'match' },
      {
        at: now.toISOString(),
        step: 'install',
        kind: 'npm-tarball',
        decision: 'allowed',
        uri: 'pkg:npm/%40s/a@1.0.0',
        name: '@s/a',
        version: '1.0.0',
        lock: 'match',
        cache: 'miss',
        sizeBytes: 4,
        publishedAt: '2020-01-01T00:00:00.000Z',
        hasInstallScript: true,
      },
    ]);
  });

  it('gives no byte of a tampered tarball, says why, and keeps nothing', async () => {
    const integrity = registry.publish('a', '1.0.0', bytes('good'));
    registry.publish('a', '1.0.0', bytes('evil'), { integrity });
    const { step, get } = await open([{ name: 'a', version: '1.0.0', integrity }]);

    const answer = await get('/a/-/a-1.0.0.tgz');

    expect(answer.status).toBe(403);
    expect(answer.body.toString()).not.toContain('evil');
    expect(JSON.parse(answer.body.toString())).toMatchObject({ code: 'egress.integrity_mismatch' });
    expect(step.records()).toMatchObject([
      { decision: 'denied', reason: 'egress.integrity_mismatch', lock: 'mismatch' },
    ]);
    expect(
      (await readdir(join(directory, 'cache'), { recursive: true })).filter((f) => /[0-9a-f]{20}/.test(f)),
    ).toEqual([]);
  });

  it('refuses the document of a package whose registry offers other bytes than the lock file pins', async () => {
    registry.publish('a', '1.0.0', bytes('evil'));
    const integrity = registry.publish('z', '1.0.0', bytes('good'));
    const { step, get } = await open([{ name: 'a', version: '1.0.0', integrity }]);

    expect((await get('/a')).status).toBe(403);

    expect(step.records()).toMatchObject([
      {
        kind: 'npm-metadata',
        decision: 'denied',
        reason: 'egress.integrity_mismatch',
        version: '1.0.0',
        lock: 'mismatch',
      },
    ]);
  });

  it('refuses what is in no lock file, without asking the registry', async () => {
    registry.publish('a', '1.0.0', bytes('a'));
    registry.publish('a', '2.0.0', bytes('b'));
    const { step, get } = await open([{ name: 'a', version: '1.0.0', integrity: 'sha512-x' }]);

    expect((await get('/a/-/a-2.0.0.tgz')).status).toBe(403);
    expect((await get('/c2VjcmV0')).status).toBe(403);

    expect(registry.requests).toEqual([]);
    expect(step.records().map((r) => r.reason)).toEqual(['egress.not_in_lock', 'egress.not_in_lock']);
  });

  it('gives what is in no lock file when asked to report, still checked against the registry', async () => {
    registry.publish('a', '1.0.0', bytes('a'));
    registry.publish('b', '1.0.0', bytes('b'), { integrity: registry.publish('z', '1.0.0', bytes('other')) });
    const { step, get } = await open([], { onUnverified: 'report' });

    expect((await get('/a/-/a-1.0.0.tgz')).body.toString()).toBe('a');
    expect((await get('/b/-/b-1.0.0.tgz')).status).toBe(403);

    expect(step.records()).toMatchObject([
      { decision: 'allowed', lock: 'absent', cache: 'miss' },
      { decision: 'denied', reason: 'egress.integrity_mismatch', lock: 'absent' },
    ]);
  });

  it.each([
    ['no integrity', undefined, 'egress.no_integrity'],
    ['a SHA-1 only', 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=', 'egress.no_integrity'],
    ['a short digest', 'sha512-AAAA', 'egress.no_integrity'],
  ])('refuses a lock entry with %s', async (_, integrity, reason) => {
    registry.publish('a', '1.0.0', bytes('a'));
    const { step, get } = await open([{ name: 'a', version: '1.0.0', integrity }]);

    expect((await get('/a/-/a-1.0.0.tgz')).status).toBe(403);

    expect(step.records()[0]).toMatchObject({ decision: 'denied', reason });
  });

  it('refuses a package that two lock files pin to different bytes', async () => {
    const integrity = registry.publish('a', '1.0.0', bytes('a'));
    const other = registry.publish('z', '1.0.0', bytes('z'));
    const { step, get } = await open([
      { name: 'a', version: '1.0.0', integrity },
      { name: 'a', version: '1.0.0', integrity: other },
    ]);

    expect((await get('/a/-/a-1.0.0.tgz')).status).toBe(403);

    expect(step.records()[0]).toMatchObject({ reason: 'egress.lock_conflict', lock: 'mismatch' });
  });

  it('enforces the release age, also on a cached tarball, and fails closed without a date', async () => {
    const entries: LockEntry[] = [
      {
        name: 'young',
        version: '1.0.0',
        integrity: registry.publish('young', '1.0.0', bytes('y'), { time: '2026-01-09T00:00:01Z' }),
      },
      {
        name: 'old',
        version: '1.0.0',
        integrity: registry.publish('old', '1.0.0', bytes('o'), { time: '2026-01-09T00:00:00Z' }),
      },
      {
        name: 'dateless',
        version: '1.0.0',
        integrity: registry.publish('dateless', '1.0.0', bytes('d'), { time: null }),
      },
      {
        name: 'odd',
        version: '1.0.0',
        integrity: registry.publish('odd', '1.0.0', bytes('x'), { time: 'yesterday' }),
      },
    ];
    await (await open(entries)).get('/young/-/young-1.0.0.tgz');
    const { step, get } = await open(entries, { minReleaseAgeSeconds: 86_400 });

    for (const { name } of entries) await get(`/${name}/-/${name}-1.0.0.tgz`);

    expect(step.records().map((r) => r.reason ?? r.decision)).toEqual([
      'egress.too_young',
      'allowed',
      'egress.age_unknown',
      'egress.age_unknown',
    ]);
  });

  it('takes a tarball from the cache the second time, and hashes it again', async () => {
    const entry = { name: 'a', version: '1.0.0', integrity: registry.publish('a', '1.0.0', bytes('good')) };
    await (await open([entry])).get('/a/-/a-1.0.0.tgz');
    const again = await open([entry]);
    await again.get('/a/-/a-1.0.0.tgz');
    expect(again.step.records()[0]?.cache).toBe('hit');

    const files = await readdir(join(directory, 'cache', 'npm', 'trusted', 'sha512'), { recursive: true });
    const stored = files.find((file) => file.length > 100) ?? '';
    await writeFile(join(directory, 'cache', 'npm', 'trusted', 'sha512', stored), 'evil');
    const damaged = await open([entry]);
    const answer = await damaged.get('/a/-/a-1.0.0.tgz');

    expect(answer.body.toString()).toBe('good');
    expect(damaged.step.records()[0]?.cache).toBe('miss');
    expect(await readFile(join(directory, 'cache', 'npm', 'trusted', 'sha512', stored), 'utf8')).toBe('good');
  });

  it('never lets a trusted run read what an untrusted one wrote; the other way is allowed', async () => {
    const a = { name: 'a', version: '1.0.0', integrity: registry.publish('a', '1.0.0', bytes('a')) };
    const b = { name: 'b', version: '1.0.0', integrity: registry.publish('b', '1.0.0', bytes('b')) };
    await (await open([a], { trust: 'untrusted' })).get('/a/-/a-1.0.0.tgz');
    await (await open([b], { trust: 'trusted' })).get('/b/-/b-1.0.0.tgz');

    const trusted = await open([a], { trust: 'trusted' });
    await trusted.get('/a/-/a-1.0.0.tgz');
    const untrusted = await open([b], { trust: 'untrusted' });
    await untrusted.get('/b/-/b-1.0.0.tgz');

    expect(trusted.step.records()[0]?.cache).toBe('miss');
    expect(untrusted.step.records()[0]?.cache).toBe('hit');
    expect((await readdir(join(directory, 'cache', 'npm', 'untrusted', 'sha512'))).length).toBe(1);
  });

  it.each([
    '/a/../b',
    '/a/-/../../b',
    '/%2e%2e/a',
    '/a%2fb',
    '/@s%2f..%2fa',
    '/@s%252fa',
    '//a',
    '/a/',
    '/a?x=1',
    '/a/-/b-1.0.0.tgz',
    '/a/-/a-1.0.0.tgz?x',
    '/a/-/a-latest.tgz',
    '/a/1.0.0',
    '/-/v1/search?text=x',
    '/-/npm/v1/security/advisories/bulk',
    '/.git',
    '/@s',
    `/${'a'.repeat(300)}`,
    'http://169.254.169.254/latest',
    '*',
  ])('refuses the path %s without asking anybody', async (path) => {
    const { step, get } = await open([], { onUnverified: 'report' });

    expect((await get(path)).status).toBe(400);

    expect(registry.requests).toEqual([]);
    expect(step.records()).toMatchObject([{ decision: 'denied', reason: 'egress.bad_path' }]);
  });

  it('answers GET and HEAD only', async () => {
    const integrity = registry.publish('a', '1.0.0', bytes('a'));
    const { get } = await open([{ name: 'a', version: '1.0.0', integrity }]);

    expect((await get('/a', 'PUT')).status).toBe(405);
    expect((await get('/-/npm/v1/security/audits', 'POST')).status).toBe(405);
    const head = await get('/a/-/a-1.0.0.tgz', 'HEAD');

    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '1', 0]);
  });

  it('sends the token to the registry only, and takes tarballs from there whatever the document says', async () => {
    const elsewhere = await startTinyRegistry();
    const integrity = registry.publish('a', '1.0.0', bytes('a'), {
      tarballUrl: `${elsewhere.url}a/-/a-1.0.0.tgz`,
    });
    const e = egressWith({}, 'Bearer t0ken');
    const { get } = await open([{ name: 'a', version: '1.0.0', integrity }], { egress: e });

    expect((await get('/a/-/a-1.0.0.tgz')).status).toBe(200);

    expect(elsewhere.requests).toEqual([]);
    expect(registry.headers.map((h) => h['authorization'])).toEqual(['Bearer t0ken', 'Bearer t0ken']);
    e.close();
    await elsewhere.close();
  });

  it('follows no redirect into this host’s network', async () => {
    const elsewhere = await startTinyRegistry();
    const integrity = registry.publish('a', '1.0.0', bytes('a'));
    registry.answer('/a/-/a-1.0.0.tgz', (r) => r.writeHead(302, { location: `${elsewhere.url}x` }).end());
    const { step, get } = await open([{ name: 'a', version: '1.0.0', integrity }]);

    expect((await get('/a/-/a-1.0.0.tgz')).status).toBe(403);

    expect(elsewhere.requests).toEqual([]);
    expect(step.records()[0]).toMatchObject({ reason: 'egress.redirect' });
    await elsewhere.close();
  });

  it('tries a passing failure again, and reports a lasting one', async () => {
    const integrity = registry.publish('a', '1.0.0', bytes('good'));
    let calls = 0;
    registry.answer('/a/-/a-1.0.0.tgz', (response) => {
      calls++;
      if (calls === 1) return void response.writeHead(503).end();
      response.writeHead(200, { 'content-length': 4 });
      if (calls === 2) return void response.write('go', () => response.destroy());
      response.end('good');
    });
    const ofB = registry.publish('b', '1.0.0', bytes('b'));
    registry.answer('/b/-/b-1.0.0.tgz', (response) => {
      response.writeHead(200, { 'content-length': 4 });
      response.write('b', () => response.destroy());
    });
    const { step, get } = await open([
      { name: 'a', version: '1.0.0', integrity },
      { name: 'b', version: '1.0.0', integrity: ofB },
    ]);

    expect((await get('/a/-/a-1.0.0.tgz')).body.toString()).toBe('good');
    expect((await get('/b/-/b-1.0.0.tgz')).status).toBe(502);

    expect(step.records().map((r) => r.reason ?? r.decision)).toEqual([
      'allowed',
      'egress.upstream_unavailable',
    ]);
  });

  it('bounds size, silence and total of what a registry sends', async () => {
    const e = egressWith({ tarballBytes: 1000, packumentBytes: 100_000, idleMs: 100, jobBytes: 200_000 });
    const integrity = registry.publish('big', '1.0.0', new Uint8Array(2000));
    registry.publish('slow', '1.0.0', bytes('s'));
    registry.answer('/slow/-/slow-1.0.0.tgz', (response) => void response.writeHead(200).flushHeaders());
    registry.answer('/bomb', (response) => response.end(`{"name":"bomb","x":"${'x'.repeat(200_000)}"}`));
    const names = ['big', 'slow', 'bomb'];
    const { step, get } = await open(
      names.map((name) => ({ name, version: '1.0.0', integrity })),
      { egress: e },
    );

    for (const name of names) await get(`/${name}/-/${name}-1.0.0.tgz`);

    expect(step.records().map((r) => r.reason)).toEqual([
      'egress.too_large',
      'egress.upstream_unavailable',
      'egress.too_large',
    ]);
    e.close();
  });

  it.each([
    ['no JSON', '<html>'],
    ['another package', '{"name":"b","versions":{"1.0.0":{}}}'],
    ['a list', '[]'],
    ['versions that are no object', '{"name":"a","versions":["1.0.0"]}'],
    ['a version of another grammar', '{"name":"a","versions":{"../../x":{},"1.0.0":null}}'],
  ])('survives a document that is %s', async (_, body) => {
    registry.answer('/a', (response) => response.end(body));
    const { step, get } = await open([
      { name: 'a', version: '1.0.0', integrity: registry.publish('a', '1.0.0', bytes('a')) },
    ]);

    expect((await get('/a/-/a-1.0.0.tgz')).status).toBeGreaterThanOrEqual(400);

    expect(step.records()[0]?.decision).toBe('denied');
  });

  it('asks the registry once for what many want at the same time', async () => {
    const integrity = registry.publish('a', '1.0.0', bytes('a'));
    const { get } = await open([{ name: 'a', version: '1.0.0', integrity }]);

    const answers = await Promise.all(Array.from({ length: 20 }, () => get('/a/-/a-1.0.0.tgz')));

    expect(answers.every((answer) => answer.status === 200)).toBe(true);
    expect(registry.requests.length).toBe(2);
  });

  it('denies everything once the record is full, and says so in it', async () => {
    const e = egressWith({ recordsPerStep: 3 });
    const { step, get } = await open([], { egress: e });

    for (let i = 0; i < 5; i++) await get('/nope');

    expect(step.records().map((r) => r.reason)).toEqual([
      'egress.not_in_lock',
      'egress.not_in_lock',
      'egress.too_many_requests',
    ]);
    e.close();
  });
});
