import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Definition, Step } from '@sallyport/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha512Integrity, startTinyRegistry, type TinyRegistry } from '../egress/tiny-registry.fixture.ts';
import {
  type BuildBench,
  definitionWith,
  jobOf,
  openBuildBench,
  type Ran,
  textFile,
} from './build-bench.fixture.ts';

let registry: TinyRegistry;
let bench: BuildBench;
let site: Server;
let port: number;

beforeAll(async () => {
  registry = await startTinyRegistry();
  bench = await openBuildBench({ url: registry.url });
  site = createServer((request, response) => response.end(`site ${request.url}`));
  await new Promise<void>((ready) => site.listen(0, '127.0.0.1', ready));
  port = (site.address() as AddressInfo).port; // listening on TCP
});
afterAll(async () => {
  await bench.close();
  await registry.close();
  site.close();
});

/** HTTP by the shell alone, so that the test needs no program of the host but bash. */
const get = (to: number, path: string) =>
  `bash -c 'exec 3<>/dev/tcp/127.0.0.1/${to} && printf "GET ${path} HTTP/1.0\\r\\n\\r\\n" >&3 && cat <&3'`;

const good = Uint8Array.from(Buffer.from('good tarball'));
const lockWith = (integrity: string) =>
  JSON.stringify({
    name: 'x',
    lockfileVersion: 3,
    packages: { '': { name: 'x' }, 'node_modules/a': { version: '1.0.0', integrity } },
  });
const locked: Partial<Definition> = { dependencies: { lockfiles: ['package-lock.json'] } };

async function runSteps(
  steps: readonly Step[],
  lock: string,
  more: Parameters<typeof jobOf>[2] = {},
): Promise<Ran> {
  const { source, job } = jobOf([textFile('package-lock.json', lock)], definitionWith(steps, locked), more);
  return bench.run(job, { source, grants: { out: { egress: [`127.0.0.1:${port}`] } } });
}

describe('the way out of a step', () => {
  it('serves what the commit’s lock file pins, and records it with the step', async () => {
    registry.publish('a', '1.0.0', good);

    const ran = await runSteps(
      [{ name: 'install', run: get(4873, '/a/-/a-1.0.0.tgz'), network: 'registries' }],
      lockWith(sha512Integrity(good)),
    );

    expect(ran.logs.get('install')).toContain('good tarball');
    expect(ran.steps.get('install')?.egress).toMatchObject([
      {
        step: 'install',
        kind: 'npm-tarball',
        decision: 'allowed',
        lock: 'match',
        name: 'a',
        version: '1.0.0',
      },
    ]);
  });

  it('does not believe a lock file that a step rewrote', async () => {
    const evil = Uint8Array.from(Buffer.from('evil tarball'));
    registry.publish('a', '1.0.0', evil);
    const rewrite = `cat > package-lock.json <<'EOF'\n${lockWith(sha512Integrity(evil))}\nEOF`;

    const ran = await runSteps(
      [
        { name: 'rewrite', run: rewrite },
        { name: 'install', run: `${get(4873, '/a/-/a-1.0.0.tgz')}; exit 1`, network: 'registries' },
      ],
      lockWith(sha512Integrity(Uint8Array.from(Buffer.from('other')))),
    );

    expect(ran.logs.get('install')).toContain('403');
    expect(ran.logs.get('install')).not.toContain('evil tarball');
    expect(ran.logs.get('install')).toContain(
      '[sallyport] refused pkg:npm/a@1.0.0: egress.integrity_mismatch',
    );
    expect(ran.report.reason).toContain('egress.integrity_mismatch');
  });

  it('reaches nothing with `none`, and only the mirror with `registries`', async () => {
    const ran = await runSteps(
      [
        { name: 'closed', run: `${get(4873, '/a')} || echo none; ${get(port, '/')} || echo none` },
        {
          name: 'mirror',
          run: `${get(3128, `http://127.0.0.1:${port}/`)} || echo none`,
          network: 'registries',
        },
      ],
      lockWith(sha512Integrity(good)),
    );

    expect(ran.logs.get('closed')?.match(/^none$/gm)).toHaveLength(2);
    expect(ran.logs.get('mirror')).toMatch(/^none$/m);
  });

  it('reaches exactly what definition and grant both list with `allowlist`', async () => {
    const out: Step = {
      name: 'out',
      run: `env | grep -c -i ^http.*_proxy=; ${get(3128, `http://127.0.0.1:${port}/x`)}; echo; ${get(3128, 'http://127.0.0.1:9/')}`,
      network: 'allowlist',
      egress: [`127.0.0.1:${port}`, '127.0.0.1:9'],
    };

    const ran = await runSteps([out], lockWith(sha512Integrity(good)));

    expect(ran.logs.get('out')).toMatch(/^4\n/);
    expect(ran.logs.get('out')).toContain('site /x');
    expect(ran.logs.get('out')).toContain('egress.not_allowed');
    expect(ran.steps.get('out')?.egress.map((record) => `${record.uri} ${record.decision}`)).toEqual([
      `127.0.0.1:${port} allowed`,
      '127.0.0.1:9 denied',
    ]);
  });

  it('fetches tools before the first step, tells of them with it, and fails the job when one is refused', async () => {
    const definition = definitionWith([{ name: 'compile', run: 'true' }]);
    const { source, job } = jobOf([textFile('x', 'x')], {
      ...definition,
      build: {
        ...definition.build,
        tools: [{ npm: 'a@1.0.0', integrity: sha512Integrity(Uint8Array.of(1)) }],
      },
    });

    const ran = await bench.run(job, { source });

    expect(ran.report).toMatchObject({
      outcome: 'failed',
      reason: expect.stringContaining('egress.integrity_mismatch'),
    });
    expect(ran.steps.size).toBe(0);
  });

  it.each([
    ['is missing', [], 'build.path_missing'],
    ['is of another kind', [textFile('yarn.lock', '')], 'build.lockfile_kind'],
    ['is no lock file', [textFile('package-lock.json', '{"a":1,"a":2}')], 'formats.'],
  ])('fails a job whose lock file %s', async (_, files, code) => {
    const lockfiles = files[0]?.path === 'yarn.lock' ? ['yarn.lock'] : ['package-lock.json'];
    const { source, job } = jobOf(
      files,
      definitionWith([{ name: 'x', run: 'true' }], { dependencies: { lockfiles } }),
    );

    const ran = await bench.run(job, { source });

    expect(ran.report).toMatchObject({ outcome: 'failed', reason: expect.stringContaining(code) });
  });
});
