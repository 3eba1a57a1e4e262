import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '@sallyport/formats';
import { createMask } from '../../build/masking/mask.ts';
import type { Exposable, Running, Sandbox, SandboxResult } from '../../sandbox/index.ts';
import type { Release } from '../release/releases.ts';
import type { HeldSecret, Target } from '../target.ts';
import type { Backend } from './front.ts';
import { checkHealth, type HealthAnswer } from './health.ts';
import { createTail, type Tail } from './tail.ts';

/** One running copy of a release. */
export interface Instance extends Backend {
  /** Process 1 of its sandbox, as the host numbers it. */
  readonly pid: number;
  /** Settles when nothing of it is left. */
  readonly ended: Promise<SandboxResult | Fault>;
  readonly hasEnded: () => boolean;
  /** The end of what it printed, for the reason of a crash. */
  readonly tail: Tail;
  check(): Promise<HealthAnswer>;
  /** Waits until it is healthy; a Fault `deploy.start_failed` or `deploy.unhealthy` when it does not become so. */
  becomeHealthy(): Promise<void>;
  stop(graceSeconds: number): Promise<void>;
}

export interface InstanceOptions {
  readonly id: string;
  readonly release: Release;
  readonly target: Target;
  readonly secrets: readonly HeldSecret[];
  readonly proxySocket?: string;
  /** Is given all it prints. */
  readonly onOutput?: (chunk: Uint8Array) => void;
}

const checkTimeoutMilliseconds = 5000;

/** Starts `release` in a sandbox of its own. */
export async function startInstance(sandbox: Sandbox, options: InstanceOptions): Promise<Instance> {
  const { release, target, secrets } = options;
  const [program, ...args] = [...(release.process.Entrypoint ?? []), ...(release.process.Cmd ?? [])];
  if (program === undefined) {
    throw new Fault('precondition', 'deploy.start_failed', 'the image says no command to run');
  }
  const running: Running = await sandbox.start({
    id: options.id,
    root: release.onHost
      ? { kind: 'host', overlay: release.root }
      : { kind: 'image', directory: release.root },
    command: [program, ...args],
    workdir: release.process.WorkingDir || '/',
    env: {
      ...imageEnv(release.process.Env ?? []),
      ...target.env,
      ...Object.fromEntries(
        secrets
          .filter(({ delivery }) => delivery === 'env')
          .map(({ name, value }) => [name, value.exposeUtf8()]),
      ),
      // Last: the relay inside connects to this port and no other.
      PORT: String(target.port),
    },
    secretFiles: secrets
      .filter(({ delivery }) => delivery === 'file')
      .map(({ name, value }): { name: string; content: Exposable } => ({ name, content: value })),
    network: options.proxySocket === undefined ? {} : { proxy: options.proxySocket },
    ingressPort: target.port,
    limits: target.limits,
  });

  const tail = createTail();
  // What a service prints goes into reports and logs: its secrets do not.
  const mask = createMask(secrets.map(({ value }) => value.expose()));
  const show = (chunk: Uint8Array): void => {
    if (chunk.length === 0) return;
    tail.add(chunk);
    options.onOutput?.(chunk);
  };
  const printed = (async () => {
    for await (const chunk of running.output) show(mask.push(chunk));
    show(mask.end());
  })().catch(() => undefined);

  let hasEnded = false;
  async function untilEnd(): Promise<SandboxResult | Fault> {
    let result: SandboxResult | Fault;
    try {
      result = await running.finished;
    } catch (error) {
      result = toFault(error);
    }
    hasEnded = true;
    await printed;
    return result;
  }
  const ended = untilEnd();

  const check = (): Promise<HealthAnswer> =>
    checkHealth(
      running,
      target.health.path,
      Math.min(checkTimeoutMilliseconds, target.health.timeoutSeconds * 1000),
    );

  return {
    pid: running.pid,
    ended,
    hasEnded: () => hasEnded,
    tail,
    connect: running.connect,
    check,
    async becomeHealthy() {
      const deadline = performance.now() + target.health.timeoutSeconds * 1000;
      let answer: HealthAnswer = 'not asked yet';
      let pause = 20;
      while (performance.now() < deadline) {
        if (hasEnded) throw startFailed(await ended, tail);
        answer = await check();
        if (answer === undefined && !hasEnded) return;
        await delay(pause);
        pause = Math.min(pause * 1.5, 1000);
      }
      if (hasEnded) throw startFailed(await ended, tail);
      throw new Fault(
        'unavailable',
        'deploy.unhealthy',
        `the new instance did not become healthy within ${target.health.timeoutSeconds} s: ${answer}`,
      );
    },
    async stop(graceSeconds) {
      await running.stop(graceSeconds).catch(() => undefined);
      await ended;
    },
  };
}

function startFailed(result: SandboxResult | Fault, tail: Tail): Fault {
  const why = result instanceof Fault ? result.message : (result.reason ?? 'the command ended');
  return new Fault(
    'unavailable',
    'deploy.start_failed',
    `the new instance ended at once: ${why}${tail.quoted()}`,
  );
}

function toFault(error: unknown): Fault {
  return error instanceof Fault
    ? error
    : new Fault('internal', 'deploy.instance', String(error), { cause: error });
}

function imageEnv(lines: readonly string[]): Record<string, string> {
  const env: Record<string, string> = {};
  for (const line of lines) {
    const at = line.indexOf('=');
    if (at > 0) env[line.slice(0, at)] = line.slice(at + 1);
  }
  return env;
}
