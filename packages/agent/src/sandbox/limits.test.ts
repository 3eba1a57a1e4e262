import { spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sizeOf } from './disk.ts';
import { type Bench, openBench } from './test-support/sandbox.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

const drain = async (output: AsyncIterable<Uint8Array>): Promise<number> => {
  let bytes = 0;
  for await (const chunk of output) bytes += chunk.length;
  return bytes;
};

describe('a step', () => {
  it('keeps the order of stdout and stderr, and both can be opened again by name', async () => {
    const { output } = await bench.run(
      'echo 1; echo 2 >&2; echo 3 >/dev/stderr; echo 4 >/dev/stdout; echo 5',
    );

    expect(output).toBe('1\n2\n3\n4\n5\n');
  });

  it('says how it ended', async () => {
    expect(await bench.run('exit 0')).toMatchObject({ outcome: 'succeeded', exitCode: 0 });
    expect(await bench.run('exit 7')).toMatchObject({ outcome: 'failed', exitCode: 7 });
    expect(await bench.run('kill -SEGV $$')).toMatchObject({ outcome: 'failed', exitCode: 139 });
    expect(await bench.run('exit 7', { ingressPort: 9 })).toMatchObject({ outcome: 'failed', exitCode: 7 });
    expect(await bench.run('kill -SEGV $$', { ingressPort: 9 })).toMatchObject({ exitCode: 139 });
  });

  it('may run longer than its start may take', async () => {
    const impatient = await openBench({ startMilliseconds: 1500 });

    const result = await impatient.run('sleep 2.5; echo done').finally(() => impatient.close());

    expect(result).toMatchObject({ outcome: 'succeeded', output: 'done\n' });
  });

  it('has the environment it was given and nothing of the agent', async () => {
    process.env['SALLYPORT_LEAK'] = 'leak';

    const { output } = await bench.run('env', { env: { A: 'b=c\nd', TZ: 'Asia/Tokyo' } });
    const viaInit = await bench.run('env', { env: { A: 'b' }, ingressPort: 9 });

    expect(output).toContain('A=b=c\nd');
    expect(output).toContain('TZ=Asia/Tokyo');
    expect(output + viaInit.output).not.toContain('SALLYPORT_LEAK');
    expect(viaInit.output).toContain('A=b\n');
    expect(viaInit.output).not.toContain('NODE_');
  });

  it('is asked to end before it is made to', async () => {
    const running = await bench.start('trap "echo bye; exit 0" TERM; echo up; while :; do sleep 0.05; done', {
      ingressPort: 9,
    });
    const text: string[] = [];
    const read = (async () => {
      for await (const chunk of running.output) text.push(Buffer.from(chunk).toString());
    })();
    while (!text.join('').includes('up')) await delay(10);

    const result = await running.stop(5);
    await read;

    expect(text.join('')).toBe('up\nbye\n');
    expect(result).toMatchObject({ outcome: 'succeeded', exitCode: 0 });
  });

  it('waits while its output is not read, and goes on when it is', async () => {
    const workspace = bench.workspace();
    const running = await bench.start('head -c 2000000 /dev/zero; echo done > /workspace/done', {
      workspace,
    });

    await delay(300);
    const blocked = !existsSync(join(workspace, 'done'));
    const bytes = await drain(running.output);
    await running.finished;

    expect(blocked).toBe(true);
    expect(bytes).toBe(2_000_000);
    expect(existsSync(join(workspace, 'done'))).toBe(true);
  });
});

describe('limits', () => {
  it('of time end the step', async () => {
    const result = await bench.run('sleep 30', { timeoutSeconds: 0.3 });

    expect(result).toMatchObject({ outcome: 'timed_out', reason: 'the step took longer than 0.3 s' });
    expect(result.finishedAt.getTime() - result.startedAt.getTime()).toBeLessThan(3000);
  });

  it('of processes stop a fork bomb and leave the host alone', async () => {
    const bomb = `perl -e 'while (1) { fork }' & wait`;

    const result = await bench.run(bomb, { limits: { processes: 40 }, timeoutSeconds: 3 });

    expect(['limit_exceeded', 'timed_out']).toContain(result.outcome);
    if (bench.sandbox.isolation.processLimit === 'cgroup') expect(result.outcome).toBe('limit_exceeded');
    expect((await bench.run('true')).outcome).toBe('succeeded');
  });

  it('of memory hold for a process and for what it keeps in /tmp and /dev/shm', async () => {
    const fill = `perl -e 'my $x = "x" x (400 * 1024 * 1024); print length $x'`;
    const files = 'head -c 400M /dev/zero > /tmp/a; head -c 400M /dev/zero > /dev/shm/b; echo WROTE';

    const process = await bench.run(fill, { limits: { memoryMb: 64 } });
    const memory = await bench.run(files, { limits: { memoryMb: 64 } });

    expect(process.output).not.toContain('419430400');
    expect(process.outcome).not.toBe('succeeded');
    if (bench.sandbox.isolation.memoryLimit === 'cgroup') {
      expect(process.outcome).toBe('limit_exceeded');
      expect(process.reason).toContain('64 MiB of memory');
    }
    expect(memory.output).toMatch(/No space left|Killed|^$/m);
  });

  it('of disk hold for one large file and for many small ones', async () => {
    const one = bench.workspace();
    const many = bench.workspace();

    const large = await bench.run('head -c 300M /dev/zero > big; sleep 1', {
      workspace: one,
      limits: { diskMb: 20 },
    });
    const small = await bench.run('i=0; while :; do i=$((i+1)); head -c 1M /dev/zero > f$i; done', {
      workspace: many,
      limits: { diskMb: 20 },
    });

    expect(large.outcome).toBe('limit_exceeded');
    expect(await sizeOf(one)).toBeLessThan(22 * 1024 * 1024);
    expect(small.outcome).toBe('limit_exceeded');
    expect(small.reason).toContain('20 MiB');
    expect(await sizeOf(many)).toBeLessThan(600 * 1024 * 1024);
  });

  it('of output keep the beginning, say so, and end a step that prints a gigabyte', async () => {
    const result = await bench.start('head -c 2G /dev/zero; echo NEVER', { timeoutSeconds: 60 });
    const kept = await drain(result.output);
    const { outcome, reason, outputBytes, outputTruncated } = await result.finished;

    expect(kept).toBeLessThan(64 * 1024 * 1024 + 100);
    expect(outputTruncated).toBe(true);
    expect(outcome).toBe('limit_exceeded');
    expect(reason).toContain('printed more than');
    expect(outputBytes).toBeGreaterThanOrEqual(1024 ** 3);
    expect(outputBytes).toBeLessThan(1024 ** 3 + 64 * 1024 ** 2);
  });

  it.runIf(process.getuid?.() === 0)('of processor time are set in the control group', async () => {
    const { output } = await bench.run(
      `perl -e 'use Time::HiRes; my $end = Time::HiRes::time() + 1; 1 while Time::HiRes::time() < $end; my ($u, $s) = times; print $u + $s'`,
      { limits: { cpus: 0.2 } },
    );

    if (bench.sandbox.isolation.cpuLimit === 'cgroup') expect(Number(output)).toBeLessThan(0.6);
  });
});

describe('an agent that is killed', () => {
  it('takes its sandboxes along, and leaks no descriptor of whoever started it', async () => {
    const script = `
      import { openBench } from ${JSON.stringify(new URL('./test-support/sandbox.ts', import.meta.url).href)};
      const bench = await openBench();
      const running = await bench.start('ls -l /proc/$$/fd; (sleep 60 &) ; sleep 60', { ingressPort: 9, timeoutSeconds: 60 });
      console.log('directory', bench.directory, 'pid', running.pid);
      for await (const chunk of running.output) process.stdout.write(chunk);
    `;
    // The shell leaves descriptor 7, a directory of the host, open across exec: a way out if it were passed on.
    const agent = spawn(
      '/bin/sh',
      ['-c', 'exec 7</; exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', script],
      {
        env: {},
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let text = '';
    agent.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    while (!/total 0[\s\S]* 2 ->/.test(text)) await delay(20);
    const pid = Number(/pid (\d+)/.exec(text)?.[1]);
    const alive = existsSync(`/proc/${pid}`);

    agent.kill('SIGKILL');

    for (let waited = 0; existsSync(`/proc/${pid}`) && waited < 5000; waited += 20) await delay(20);
    rmSync(/directory (\S+)/.exec(text)?.[1] ?? '', { recursive: true, force: true });
    expect(alive).toBe(true);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    expect(text).not.toMatch(/-> \/$/m);
  });
});
