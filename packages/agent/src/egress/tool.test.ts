import { chmod, mkdtemp, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type TarEntry, writeTar } from '@sallyport/formats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEgress, type JobEgress } from './egress.ts';
import { createLockIndex } from './npm/lock-index.ts';
import { startTinyRegistry, type TinyRegistry } from './tiny-registry.fixture.ts';

let registry: TinyRegistry;
let directory: string;
let job: JobEgress;

beforeEach(async () => {
  registry = await startTinyRegistry();
  directory = await mkdtemp(join(tmpdir(), 'sp-'));
  job = newJob();
});
afterEach(async () => {
  await job.close();
  await registry.close();
  await rm(directory, { recursive: true, force: true });
});

function newJob(minReleaseAgeSeconds?: number, trust: 'trusted' | 'untrusted' = 'trusted'): JobEgress {
  const egress = createEgress({
    registry: { url: registry.url },
    directory,
    clock: { now: () => new Date('2026-01-01T00:00:00Z') },
    log: { warn: () => expect.fail('nothing fails here') },
  });
  return egress.openJob({
    trust,
    policy: { lock: createLockIndex([]), onUnverified: 'report', minReleaseAgeSeconds },
  });
}

const file = (path: string, text: string, mode = 0o644): TarEntry => ({
  type: 'file',
  path,
  mode,
  mtimeSeconds: 0,
  body: Uint8Array.from(Buffer.from(text)),
});
const tgz = (...entries: TarEntry[]) => Uint8Array.from(gzipSync(writeTar(entries)));

describe('tools', () => {
  it('unpacks a tool by the digest its definition declares, with its commands on a path', async () => {
    const integrity = registry.publish(
      '@x/tool',
      '1.2.3',
      tgz(
        file(
          'package/package.json',
          '{"name":"@x/tool","bin":{"tool":"./cli.js","evil":"../../etc/passwd","a/b":"cli.js"}}',
        ),
        file('package/cli.js', '#!/usr/bin/env node\n'),
      ),
    );

    const tool = await job.fetchTool({ npm: '@x/tool@1.2.3', integrity });

    expect(tool).toMatchObject({
      name: '@x/tool',
      mountPath: '/opt/tools/@x/tool',
      binPath: '/opt/tools/@x/tool/.bin',
      commands: ['tool'],
      material: { kind: 'tool', uri: 'pkg:npm/%40x/tool@1.2.3' },
    });
    expect(await readlink(join(tool.directory, '.bin', 'tool'))).toBe('../cli.js');
    expect((await stat(join(tool.directory, 'cli.js'))).mode & 0o111).toBe(0o111);
    expect(job.toolRecords()).toMatchObject([{ step: 'tools', decision: 'allowed', lock: 'match' }]);
  });

  it('never gives a trusted run what an untrusted one unpacked', async () => {
    const tarball = tgz(
      file('package/package.json', '{"name":"t","bin":"cli.js"}'),
      file('package/cli.js', 'good'),
    );
    const integrity = registry.publish('t', '1.0.0', tarball);
    const foreign = await newJob(undefined, 'untrusted').fetchTool({ npm: 't@1.0.0', integrity });
    await chmod(join(foreign.directory, 'cli.js'), 0o644);
    await writeFile(join(foreign.directory, 'cli.js'), 'evil');

    const own = await job.fetchTool({ npm: 't@1.0.0', integrity });

    expect(own.directory).not.toBe(foreign.directory);
    expect(await readFile(join(own.directory, 'cli.js'), 'utf8')).toBe('good');
    const lent = await newJob(undefined, 'untrusted').fetchTool({ npm: 't@1.0.0', integrity });
    expect(await readFile(join(lent.directory, 'cli.js'), 'utf8')).toBe('good');
  });

  it('refuses a tool whose bytes are others than declared, or too young', async () => {
    const integrity = registry.publish('t', '1.0.0', tgz(file('package/package.json', '{}')));
    registry.publish('t', '1.0.0', tgz(file('package/package.json', '{"evil":1}')), {
      integrity,
      time: '2025-12-31T23:59:00Z',
    });

    await expect(job.fetchTool({ npm: 't@1.0.0', integrity })).rejects.toMatchObject({
      kind: 'integrity',
      code: 'egress.integrity_mismatch',
    });
    await expect(newJob(3600).fetchTool({ npm: 't@1.0.0', integrity })).rejects.toMatchObject({
      code: 'egress.too_young',
    });
  });

  it('makes a tree again that was changed since it was unpacked', async () => {
    const integrity = registry.publish(
      't',
      '1.0.0',
      tgz(file('package/package.json', '{}'), file('package/bin/t', 'good', 0o755)),
    );
    const { directory: unpacked } = await job.fetchTool({ npm: 't@1.0.0', integrity });
    await chmod(join(unpacked, 'bin/t'), 0o755);
    await writeFile(join(unpacked, 'bin/t'), 'evil');

    const again = await newJob().fetchTool({ npm: 't@1.0.0', integrity });

    expect(await readFile(join(again.directory, 'bin/t'), 'utf8')).toBe('good');
    expect(again.commands).toEqual(['t']);
  });

  it.each([
    [
      'a link',
      { type: 'symlink', path: 'package/x', mode: 0o777, mtimeSeconds: 0, linkTarget: 'package.json' },
    ],
    ['a second top folder', file('other/x', 'x')],
    ['a file at the top', file('x', 'x')],
  ] as const)('refuses an archive with %s and leaves nothing', async (_, entry) => {
    const integrity = registry.publish('t', '1.0.0', tgz(file('package/package.json', '{}'), entry));

    await expect(job.fetchTool({ npm: 't@1.0.0', integrity })).rejects.toMatchObject({
      code: 'egress.bad_tool',
    });
  });

  it('refuses an archive that is cut or no archive', async () => {
    const whole = tgz(file('package/package.json', 'x'.repeat(5000)));
    const cut = registry.publish('cut', '1.0.0', whole.subarray(0, whole.length - 20));
    const none = registry.publish('none', '1.0.0', Uint8Array.from(Buffer.from('hello')));

    await expect(job.fetchTool({ npm: 'cut@1.0.0', integrity: cut })).rejects.toThrow();
    await expect(job.fetchTool({ npm: 'none@1.0.0', integrity: none })).rejects.toThrow();
  });
});
