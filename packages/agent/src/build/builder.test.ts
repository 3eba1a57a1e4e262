import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Step } from '@sallyport/contract';
import { digestOf, Fault, parseImageConfig, parseImageManifest, readTar, writeTar } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTinyRegistry, type TinyRegistry } from '../egress/tiny-registry.fixture.ts';
import {
  type BuildBench,
  definitionWith,
  jobFor,
  jobOf,
  openBuildBench,
  type Ran,
  textFile,
} from './build-bench.fixture.ts';

let registry: TinyRegistry;
let bench: BuildBench;

beforeAll(async () => {
  registry = await startTinyRegistry();
  bench = await openBuildBench({ url: registry.url });
});
afterAll(async () => {
  await bench.close();
  await registry.close();
});

const compile: Step = { name: 'compile', run: 'mkdir -p dist && cp main.txt dist/ && echo built' };
const files = [textFile('main.txt', 'hello'), textFile('bin/x.sh', '#!/bin/sh\n', 0o755)];

async function appFiles(ran: Ran): Promise<Record<string, string>> {
  const manifest = parseImageManifest(Uint8Array.from([...ran.manifests.values()][0] ?? []));
  const layer = bench.blobs.get(manifest.layers.at(-1)?.digest ?? '') ?? Buffer.alloc(0);
  const found: Record<string, string> = {};
  for await (const entry of readTar(Uint8Array.from(gunzipSync(layer)))) {
    found[entry.path] =
      entry.type === 'file'
        ? `${entry.mode.toString(8)} ${Buffer.from(await entry.bytes()).toString()}`
        : entry.type;
    expect(entry.mtimeSeconds).toBe(1_700_000_000);
  }
  return found;
}

describe('builder', () => {
  it('takes a commit through its steps to a pushed image, and leaves nothing behind', async () => {
    const { source, job } = jobOf(
      files,
      definitionWith([compile], { verify: [{ name: 'unit', run: 'test -f dist/main.txt && echo ok' }] }),
    );

    const ran = await bench.run(job, { source });

    expect(ran.report).toMatchObject({
      outcome: 'succeeded',
      image: { digest: [...ran.manifests.keys()][0] },
    });
    expect(ran.report.materials.map((m) => m.kind)).toEqual(['source', 'host-system']);
    expect(ran.logs.get('compile')).toBe('built\n');
    expect(ran.steps.get('compile')).toMatchObject({
      outcome: 'succeeded',
      exitCode: 0,
      logBytes: 6,
      egress: [],
    });
    expect(ran.steps.get('compile')?.logDigest).toBe(digestOf(Uint8Array.from(Buffer.from('built\n'))));
    expect(await appFiles(ran)).toEqual({ 'app/dist': 'directory', 'app/dist/main.txt': '644 hello' });
    const manifest = parseImageManifest(Uint8Array.from([...ran.manifests.values()][0] ?? []));
    expect(parseImageConfig(Uint8Array.from(bench.blobs.get(manifest.config.digest) ?? []))).toMatchObject({
      created: '2023-11-14T22:13:20Z',
      config: {
        Entrypoint: ['/bin/sh', 'dist/run.sh'],
        WorkingDir: '/app',
        Labels: { 'dev.sallyport.base': 'host' },
      },
    });
    expect(readdirSync(join(bench.directory, 'b', 'jobs'))).toEqual([]);
  });

  it('gives the same digest for the same commit, whenever and however often it is built', async () => {
    const touched: Step = {
      ...compile,
      run: `${compile.run}; sleep 0.01; touch dist/main.txt; chmod 777 dist/main.txt`,
    };
    const { source, job } = jobOf(files, definitionWith([touched]));

    const first = await bench.run(job, { source });
    const second = await bench.run({ ...job, attempt: 2 }, { source });

    expect(first.report.outcome).toBe('succeeded');
    expect(second.report.image).toEqual(first.report.image);
  });

  it('gives a step what is declared and nothing of the agent', async () => {
    const { source, job } = jobOf(
      files,
      definitionWith([{ ...compile, run: `${compile.run} && env | sort`, env: { MINE: 'yes' } }]),
    );

    const ran = await bench.run(job, { source });

    const log = ran.logs.get('compile') ?? '';
    const names = log.split('\n').map((line) => line.split('=')[0]);
    expect(log).toContain('SOURCE_DATE_EPOCH=1700000000\n');
    expect(log).toContain('npm_config_registry=http://127.0.0.1:4873/\n');
    expect(log).toContain('npm_config_ignore_scripts=true\n');
    expect(log).toContain('MINE=yes\n');
    for (const name of Object.keys(process.env)) {
      if (/^(npm_|PATH$|HOME$|PWD$|OLDPWD$|LANG$|USER$|TZ$|TMPDIR$|CI$|SHLVL$|_$|NODE_ENV$)/.test(name))
        continue;
      expect(names).not.toContain(name);
    }
  });

  it('hands out secrets of the grant only, masked in the log, and ends them with the step', async () => {
    const step: Step = {
      name: 'use',
      run: 'mkdir -p dist; echo "$KEY"; printf %s "$KEY" | base64; cat /run/secrets/cert; echo "$SALLYPORT_ID_TOKEN" > dist/x; wc -c dist/x; rm dist/x',
      secrets: { KEY: 'a#b' },
      secret_files: { cert: 'c#d' },
    };
    const secret = (name: string, delivery: 'env' | 'file', value: string) => ({
      name,
      delivery,
      value: Buffer.from(value).toString('base64'),
      path: 'p',
      version: 1,
    });
    const { source, job } = jobOf(
      files,
      definitionWith([step, { name: 'after', run: 'echo "[$KEY]"; ls /run/secrets' }]),
    );

    const ran = await bench.run(job, {
      source,
      grants: {
        use: {
          secrets: [secret('KEY', 'env', 'hunter22-secret'), secret('cert', 'file', 'CERTIFICATE-BYTES')],
          identityToken: 'eyJh.eyJz.c2lnbmF0dXJlLXZhbHVl',
        },
      },
    });

    expect(ran.logs.get('use')).toBe('***\n***\n***31 dist/x\n');
    expect(ran.logs.get('after')).toContain('[]\n');
    expect(ran.steps.get('after')?.outcome).not.toBe('succeeded');
  });

  it.each([
    [
      'a secret the step does not declare',
      { secrets: [{ name: 'X', delivery: 'env', value: 'eA==', path: 'p', version: 1 }] },
      {},
    ],
    ['a secret for an untrusted run', { identityToken: 'a.b.c' }, { trust: 'untrusted' }],
    ['no grant', new Fault('precondition', 'secrets.missing', 'no such secret'), {}],
  ] as const)('refuses a step with %s, and runs nothing of it', async (_, grant, more) => {
    const { source, job } = jobOf(files, definitionWith([compile]), more);

    const ran = await bench.run(job, { source, grants: { compile: grant as Error } });

    expect(ran.report.outcome).toBe('failed');
    expect(ran.steps.get('compile')).toMatchObject({ outcome: 'refused', logBytes: 0 });
    expect(ran.manifests.size).toBe(0);
  });

  it('does not let verify steps change the artifact or see each other', async () => {
    const definition = definitionWith([compile], {
      verify: [
        { name: 'one', run: 'echo evil > dist/main.txt; touch left' },
        { name: 'two', run: 'cat dist/main.txt; ls; echo evil > dist/main.txt' },
      ],
    });
    const { source, job } = jobOf(files, definition);

    const ran = await bench.run(job, { source });

    expect(ran.report.outcome).toBe('succeeded');
    expect(ran.logs.get('two')).toBe('hellobin\ndist\nmain.txt\n');
    expect((await appFiles(ran))['app/dist/main.txt']).toBe('644 hello');
  });

  it('stops at the first step that fails and pushes nothing', async () => {
    const definition = definitionWith([compile], {
      verify: [
        { name: 'unit', run: 'exit 3' },
        { name: 'never', run: 'true' },
      ],
    });
    const { source, job } = jobOf(files, definition);

    const ran = await bench.run(job, { source });

    expect(ran.report).toMatchObject({ outcome: 'failed', reason: expect.stringContaining('step "unit"') });
    expect(ran.steps.get('unit')).toMatchObject({ outcome: 'failed', exitCode: 3 });
    expect([...ran.steps.keys()]).toEqual(['compile', 'unit']);
    expect(ran.manifests.size).toBe(0);
  });

  it.each([
    ['an absolute link', 'ln -s /etc/passwd dist/x', 'build.link_leaves'],
    ['a link above the workspace', 'ln -s ../../../etc/passwd dist/x', 'build.link_leaves'],
    ['a link that climbs behind a name', 'mkdir dist/d; ln -s d/../../../etc dist/x', 'build.link_leaves'],
    ['a pipe', 'mkfifo dist/x', 'build.special_file'],
    ['a link in place of the folder', 'rm -r dist; ln -s /etc dist', 'build.link_leaves'],
    ['nothing where the artifact should be', 'rm -r dist', 'build.path_missing'],
  ])('refuses an artifact with %s', async (_, script, code) => {
    const { source, job } = jobOf(files, definitionWith([{ ...compile, run: `${compile.run}; ${script}` }]));

    const ran = await bench.run(job, { source });

    expect(ran.report).toMatchObject({ outcome: 'failed', reason: expect.stringContaining(code) });
  });

  it('refuses a source that is not the one of the grant, or leaves its folder', async () => {
    const source = writeTar(files);
    const job = jobFor(source, definitionWith([compile]));
    const evil = execFileSync('tar', ['-cPf', '-', '--transform=s,^,../../,', 'hostname'], { cwd: '/etc' });

    const other = await bench.run(job, { source: writeTar([textFile('main.txt', 'evil')]) });
    const outside = await bench.run(jobFor(evil, job.definition), { source: Uint8Array.from(evil) });

    expect(other.report).toMatchObject({
      outcome: 'failed',
      reason: expect.stringContaining('build.source_digest'),
    });
    expect(outside.report).toMatchObject({
      outcome: 'failed',
      reason: expect.stringContaining('formats.tar_path'),
    });
    expect(other.steps.size + outside.steps.size).toBe(0);
  });

  it('ends at once when the job is taken away', async () => {
    const stop = new AbortController();
    const { source, job } = jobOf(files, definitionWith([{ ...compile, run: 'sleep 60' }, compile]));
    setTimeout(() => stop.abort(), 300);

    const started = performance.now();
    const ran = await bench.run(job, { source, signal: stop.signal });

    expect(performance.now() - started).toBeLessThan(10_000);
    expect(ran.report.outcome).toBe('failed');
    expect([...ran.steps.keys()]).toEqual(['compile']);
  });

  it('throws, and leaves nothing, when the server is away: that is no result', async () => {
    const { source, job } = jobOf(files, definitionWith([compile]));
    const away = new Fault('unavailable', 'sdk.unreachable', 'the server does not answer');

    await expect(bench.run(job, { source, grants: { compile: away } })).rejects.toBe(away);

    expect(readdirSync(join(bench.directory, 'b', 'jobs'))).toEqual([]);
  });

  it('cuts a flood of output, and counts what it sent', async () => {
    const { source, job } = jobOf(
      files,
      definitionWith([{ ...compile, run: `head -c 20000000 /dev/zero | tr "\\0" x; ${compile.run}` }]),
    );

    const ran = await bench.run(job, { source });

    const report = ran.steps.get('compile');
    expect(report).toMatchObject({ outcome: 'succeeded', logTruncated: true });
    expect(report?.logBytes).toBeLessThan(16 * 1024 * 1024 + 200);
    expect(ran.logs.get('compile')?.length).toBe(report?.logBytes);
  });

  it('removes what a crash left behind', async () => {
    const left = join(bench.directory, 'b', 'jobs', 'run_x.1', 'workspace');
    mkdirSync(left, { recursive: true });
    writeFileSync(join(left, 'half'), 'done');

    await bench.builder.recover();

    expect(existsSync(join(bench.directory, 'b', 'jobs'))).toBe(false);
  });
});
