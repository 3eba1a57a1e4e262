import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Step, Tool } from '@sallyport/contract';
import { parseImageManifest, readTar } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuildBench, definitionWith, jobOf, openBuildBench, textFile } from './build-bench.fixture.ts';
import { runLocal } from './local.ts';

/**
 * Against the registry this machine's npm client is configured with: a real `npm ci`, in the sandbox, through the
 * mirror. Skipped aloud where that registry cannot be reached.
 */
const registryUrl = execFileSync('npm', ['config', 'get', 'registry'], {
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'ignore'],
}).trim();
const reachable = await fetch(new URL('ms', registryUrl), { signal: AbortSignal.timeout(10_000) }).then(
  (answer) => answer.ok,
  () => false,
);
if (!reachable)
  console.warn('SKIPPED: the configured npm registry cannot be reached, so no real npm ci was tried');

const lock = readFileSync(new URL('../../../../package-lock.json', import.meta.url), 'utf8');
const pinned = (name: string): string => {
  const found: unknown = JSON.parse(lock);
  const packages = (found as { packages: Record<string, { integrity?: string }> }).packages; // our own lock file
  return packages[`node_modules/${name}`]?.integrity ?? '';
};
const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
const nodeTool: Tool = { npm: `node-linux-${arch}@26.10.0`, integrity: pinned(`node-linux-${arch}`), arch };
const npmTool: Tool = {
  npm: 'npm@11.20.0',
  integrity:
    'sha512-dF3EDFwbYN+N5RUip+ZYDe0NeURK5BgqKOcvT1iNtUYhTMTl0FwWhBuXrS7KtXyduqyTMS5aaQaregnHDAxNgw==',
};
const orders = new URL('../../../../examples/orders/', import.meta.url);
const ordersLock = readFileSync(new URL('package-lock.json', orders), 'utf8');
const ordersPackage = readFileSync(new URL('package.json', orders), 'utf8');

describe.skipIf(!reachable)('npm ci through the mirror', () => {
  let bench: BuildBench;
  beforeAll(async () => {
    bench = await openBuildBench({ url: registryUrl });
  });
  afterAll(() => bench.close());

  const install: Step = { name: 'install', run: 'npm ci', network: 'registries', timeout: '2m' };
  const definition = definitionWith(
    [install, { name: 'compile', run: 'mkdir dist && echo "console.log(42)" > dist/main.js' }],
    {
      dependencies: { lockfiles: ['package-lock.json'], min_release_age: '72h', on_unverified: 'fail' },
      build: {
        image: 'host',
        tools: [nodeTool, npmTool],
        steps: [],
        artifacts: [
          {
            name: 'app',
            type: 'oci',
            paths: ['dist', 'node_modules', 'package.json'],
            base: 'scratch',
            runtime: [nodeTool],
            command: ['node', 'dist/main.js'],
          },
        ],
      },
      verify: [
        {
          name: 'unit',
          run: "node -e \"import('fastify').then(() => console.log('loaded', process.version))\"",
        },
      ],
    },
  );
  const whole = {
    ...definition,
    build: {
      ...definition.build,
      steps: [install, { name: 'compile', run: 'mkdir dist && echo "console.log(42)" > dist/main.js' }],
    },
  };
  const files = [textFile('package.json', ordersPackage), textFile('package-lock.json', ordersLock)];

  it('installs, verifies every tarball, and makes an image that runs on its own', async () => {
    const { source, job } = jobOf(files, whole);

    const ran = await bench.run(job, { source });

    expect(ran.report, ran.logs.get('install')).toMatchObject({ outcome: 'succeeded' });
    const tarballs = ran.steps.get('install')?.egress.filter((record) => record.kind === 'npm-tarball') ?? [];
    expect(tarballs.length).toBeGreaterThan(20);
    expect(tarballs.every((record) => record.decision === 'allowed' && record.lock === 'match')).toBe(true);
    expect(ran.logs.get('unit')).toBe('loaded v26.10.0\n');
    expect(ran.report.materials.map((material) => material.kind)).toContain('host-library');

    const root = mkdtempSync(join(tmpdir(), 'sp-root-'));
    const manifest = parseImageManifest(Uint8Array.from([...ran.manifests.values()][0] ?? []));
    for (const layer of manifest.layers)
      await layDown(gunzipSync(bench.blobs.get(layer.digest) ?? Buffer.alloc(0)), root);
    const printed = execFileSync(
      'bwrap',
      [
        '--unshare-all',
        '--bind',
        root,
        '/',
        '--proc',
        '/proc',
        '--chdir',
        '/app',
        `/opt/tools/node-linux-${arch}/.bin/node`,
        'dist/main.js',
      ],
      { encoding: 'utf8', env: {} },
    );
    rmSync(root, { recursive: true });
    expect(printed).toBe('42\n');

    const again = await bench.run({ ...job, attempt: 2 }, { source });
    expect(again.report.image).toEqual(ran.report.image);
    expect(
      again.steps
        .get('install')
        ?.egress.filter((r) => r.kind === 'npm-tarball')
        .every((r) => r.cache === 'hit'),
    ).toBe(true);
  }, 240_000);

  it('stops an install whose lock file was tampered with, and npm says why', async () => {
    const evil = ordersLock.replace(
      /("node_modules\/fastify": \{[^}]*"integrity": "sha512-)[A-Za-z0-9+/]{4}/,
      '$1AAAA',
    );
    expect(evil).not.toBe(ordersLock);
    const { source, job } = jobOf(
      [textFile('package.json', ordersPackage), textFile('package-lock.json', evil)],
      whole,
    );

    const ran = await bench.run({ ...job, attempt: 3 }, { source });

    expect(ran.report).toMatchObject({
      outcome: 'failed',
      reason: expect.stringContaining('egress.integrity_mismatch'),
    });
    expect(ran.logs.get('install')).toContain('with other bytes than the lock file pins');
  }, 240_000);

  it('runs a working directory locally, without secrets, and leaves it alone', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sp-local-'));
    writeFileSync(join(directory, 'package.json'), ordersPackage);
    writeFileSync(join(directory, 'package-lock.json'), ordersLock);
    const told: string[] = [];

    const report = await runLocal({
      builder: bench.builder,
      workingDirectory: directory,
      definition: whole,
      runId: 'run_01990000-0000-7000-8000-000000000002',
      commitEpochSeconds: 1_700_000_000,
      progress: (p) => told.push(p.kind === 'step-finished' ? `${p.step} ${p.report.outcome}` : p.kind),
      signal: new AbortController().signal,
    });

    expect(report.outcome).toBe('succeeded');
    expect(told.filter((line) => line.includes(' '))).toEqual([
      'install succeeded',
      'compile succeeded',
      'unit succeeded',
    ]);
    expect(existsSync(join(directory, 'node_modules'))).toBe(false);
    rmSync(directory, { recursive: true });
  }, 240_000);
});

async function layDown(tar: Uint8Array, root: string): Promise<void> {
  for await (const entry of readTar(tar)) {
    const path = join(root, entry.path);
    mkdirSync(dirname(path), { recursive: true });
    if (entry.type === 'directory') mkdirSync(path, { recursive: true });
    else if (entry.type === 'symlink') symlinkSync(entry.linkTarget ?? '', path);
    else writeFileSync(path, await entry.bytes(), { mode: entry.mode });
  }
}
