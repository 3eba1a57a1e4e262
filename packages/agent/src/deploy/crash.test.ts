import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseTrustRoot } from '@sallyport/formats';
import { describe, expect, it } from 'vitest';
import { createSandbox } from '../sandbox/index.ts';
import { silentLog } from '../sandbox/test-support/sandbox.ts';
import { createDeployer } from './deployer.ts';
import { removeTree } from './release/unpack.ts';
import { file, nodeCommand, onlyReport, openWorld, pushImage, server, until } from './test-support/world.ts';

const worldUrl = new URL('./test-support/world.ts', import.meta.url).href;

/** Processes of the host that run our server, by a mark in their command line. */
function copies(mark: string): number {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return line.includes('/.sallyport/node\0server.cjs') && line.includes(mark);
    } catch {
      return false;
    }
  }).length;
}

describe('an agent killed with SIGKILL', () => {
  it('is followed by one that runs the same revision, once, from what is on disk', async () => {
    const mark = `mark-${process.pid}`;
    const script = `
      import * as world from ${JSON.stringify(worldUrl)};
      const w = await world.openWorld();
      const command = [...world.nodeCommand.slice(0, 2), world.nodeCommand[2] + ' ${mark}'];
      const { digest } = world.pushImage(w.registry, [[world.file('app/server.cjs', world.server('one'))]], command);
      const deployer = w.deployer();
      await deployer.open();
      await deployer.takeRevocations(w.revocations());
      await deployer.apply(w.desired(digest, 7));
      console.log(JSON.stringify({ directory: w.directory, port: w.port, digest, report: deployer.reports()[0],
        trustRoot: w.installation.trustRootText }) + '\\n');
      setInterval(() => undefined, 1000);
    `;
    const agent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    agent.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    while (!text.includes('\n\n')) await delay(20);
    const first = JSON.parse(text) as {
      directory: string;
      port: number;
      digest: string;
      report: object;
      trustRoot: string;
    }; // printed above
    expect(first.report).toMatchObject({ revision: 7, health: 'Healthy' });
    expect(copies(mark)).toBe(1);

    agent.kill('SIGKILL');
    const clock = { now: () => new Date() };
    const sandbox = await createSandbox({
      stateDirectory: join(first.directory, 'sandbox'),
      node: process.execPath,
      clock,
      log: silentLog,
    });
    const nothing = async (): Promise<never> => {
      throw new Error('the registry is away');
    };
    const second = createDeployer({
      sandbox,
      directory: join(first.directory, 'deploy'),
      images: { manifest: nothing, blob: nothing },
      trustRoot: () => parseTrustRoot(first.trustRoot),
      outside: { secrets: async () => [] },
      clock,
      log: silentLog,
    });
    await second.open();
    const report = await until(second, 'synced', ({ sync }) => sync === 'Synced');
    const answer = await (await fetch(`http://127.0.0.1:${first.port}/`)).json();
    const running = copies(mark);
    await second.close();

    expect(report).toMatchObject({ revision: 7, digest: first.digest, health: 'Healthy' });
    expect(answer).toMatchObject({ version: 'one' });
    expect(running).toBe(1);
    expect(copies(mark)).toBe(0);
    await removeTree(first.directory);
  });
});

describe('a foreign process', () => {
  it.runIf(process.getuid?.() === 0 && existsSync('/usr/bin/nsenter'))(
    'in a sandbox is seen and gone after the correction',
    async () => {
      const world = await openWorld();
      const { digest } = pushImage(world.registry, [[file('app/server.cjs', server('one'))]], nodeCommand);
      const deployer = world.deployer();
      await deployer.open();
      await deployer.takeRevocations(world.revocations());
      await deployer.apply(world.desired(digest, 1));
      const pid = readdirSync('/proc').find((each) => {
        try {
          const line = readFileSync(`/proc/${each}/cmdline`, 'utf8');
          return line.includes('/.sallyport/node\0server.cjs') && line.startsWith('/.sallyport');
        } catch {
          return false;
        }
      });
      if (pid === undefined) throw new Error('the service was not found');

      const intruder = spawn('/usr/bin/nsenter', ['--target', pid, '--pid', '--mount', '/bin/sleep', '60'], {
        stdio: 'ignore',
      });
      const report = await until(
        deployer,
        'corrected',
        ({ findings, sync }) =>
          sync === 'Synced' &&
          findings.some(({ kind, corrected }) => kind === 'process-foreign' && corrected),
      );
      intruder.kill('SIGKILL');
      const state = onlyReport(deployer);
      await world.close();

      expect(report.findings[0]?.found).toContain('sleep');
      expect(state).toMatchObject({ sync: 'Synced', health: 'Healthy', revision: 1 });
    },
  );
});
