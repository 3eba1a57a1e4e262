import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSandbox, type SandboxSpec, sandboxId } from '../packages/agent/src/sandbox/index.ts';

/**
 * How long from asking for a step to its first byte of output, and to everything of it being gone again. Run with
 * `npx node bench/step-start.ts [rounds]`.
 */
const rounds = Number(process.argv[2] ?? 50);
const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
const quiet = { debug: () => undefined, info: () => undefined, warn: console.warn, error: console.error };
const sandbox = await createSandbox({
  stateDirectory: join(directory, 'state'),
  node: process.execPath,
  clock: { now: () => new Date() },
  log: quiet,
});
const mirror = createServer((socket) => socket.end());
await new Promise<void>((resolve) => {
  mirror.listen(join(directory, 'mirror.sock'), () => resolve());
});

async function measure(name: string, more: Partial<SandboxSpec>): Promise<void> {
  const first: number[] = [];
  const whole: number[] = [];
  for (let round = 0; round < rounds + 3; round += 1) {
    const began = performance.now();
    const running = await sandbox.start({
      id: sandboxId('bench'),
      root: { kind: 'host' },
      command: ['/bin/sh', '-c', 'echo up'],
      ...more,
    });
    let seen = 0;
    for await (const _ of running.output) seen ||= performance.now() - began;
    const { outcome } = await running.finished;
    if (outcome !== 'succeeded') throw new Error(`a step ${outcome}`);
    // The first rounds fill caches.
    if (round < 3) continue;
    first.push(seen);
    whole.push(performance.now() - began);
  }
  console.log(`${name.padEnd(20)} start ${line(first)}   start to end ${line(whole)}`);
}

function line(values: number[]): string {
  values.sort((a, b) => a - b);
  const at = (share: number): string =>
    (values[Math.floor((values.length - 1) * share)] ?? 0).toFixed(1).padStart(6);
  return `median ${at(0.5)} ms  p95 ${at(0.95)} ms`;
}

console.log(
  `isolation: memory by ${sandbox.isolation.memoryLimit}, processes by ${sandbox.isolation.processLimit}; ${rounds} rounds`,
);
await measure('network none', {});
await measure('network registries', { network: { mirror: join(directory, 'mirror.sock') } });
mirror.close();
rmSync(directory, { recursive: true, force: true });
