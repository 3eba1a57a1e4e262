import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Child, startChild } from '../../../test-support/child.ts';

let directory: string;
let child: Child | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sallyport-db-'));
});
afterEach(async () => {
  await child?.kill('SIGKILL');
  child = undefined;
  await rm(directory, { recursive: true });
});

describe('a durable directory', () => {
  it('syncs once per commit, counted by the kernel', async ({ skip }) => {
    const works = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0;
    if (!works) {
      console.warn('SKIPPED: strace is missing or may not trace here, so the syncs are counted inside only');
      skip();
    }
    const counted: number[] = [];
    for (const commits of [20, 120, 220]) {
      const trace = join(directory, 'trace');
      child = startChild(
        'test-support/crash-child.ts',
        ['write', directory, String(commits)],
        ['strace', '-f', '-q', '-y', '-e', 'trace=fdatasync', '-e', 'signal=none', '-o', trace],
      );
      await child.exited;
      const calls = (await readFile(trace, 'utf8'))
        .split('\n')
        .filter((line) => /fdatasync\(\d+<[^>]*\/pg_wal\//.test(line));
      counted.push(calls.length);
    }

    // Of the write-ahead log only: a checkpoint also syncs the tables that changed, as many as there are. The first run
    // creates and migrates; the other two differ by nothing but a hundred commits.
    expect((counted[2] ?? 0) - (counted[1] ?? 0)).toBe(100);
  }, 60_000);
});
