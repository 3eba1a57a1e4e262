import { randomUUID } from 'node:crypto';
import { closeSync, fstatSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '@sallyport/formats';
import { openIngress } from './arguments.ts';
import { watchDisk } from './disk.ts';
import { type Host, type HostOptions, prepareHost } from './host.ts';
import { measuredIsolation, trialScript } from './measure.ts';
import {
  type Clock,
  defaultLimits,
  type Limits,
  type Log,
  type Outcome,
  type SandboxResult,
  type SandboxSpec,
} from './model.ts';
import { boundOutput, defaultOutputBounds, type OutputBounds } from './output.ts';
import { childrenOf, isGone, signal } from './processes.ts';
import { type Started, startSandbox } from './start.ts';
import { validateSpec } from './validate.ts';

/** A step or service that runs. */
export interface Running {
  /** Stdout and stderr in order, bounded. Must be read: a full pipe holds the step up. */
  readonly output: AsyncIterable<Uint8Array>;
  /** Settles when nothing of the sandbox is left, every process and control group; rejects if it never got to run. */
  readonly finished: Promise<SandboxResult>;
  /** Process 1 of the sandbox, as the host numbers it. */
  readonly pid: number;
  /** Ends it at once and whole. The outcome is `failed` with this reason. */
  kill(reason: string): void;
  /** Asks the command to end (SIGTERM), and kills after the grace. The outcome is what its exit says. */
  stop(graceSeconds: number): Promise<SandboxResult>;
  /** A connection to `ingressPort` inside. Throws `unavailable` while the sandbox is not that far. */
  connect(): Socket;
}

export interface Sandbox {
  /** What is in force for every step of this agent. */
  readonly isolation: SandboxResult['isolation'];
  start(spec: SandboxSpec): Promise<Running>;
}

export interface SandboxDeps extends Omit<HostOptions, 'log'> {
  readonly clock: Clock;
  readonly log: Log;
  readonly outputBounds?: OutputBounds;
}

/** Prepares this host for sandboxes; throws a Fault that says what is missing, never runs anything unsandboxed. */
export async function createSandbox(deps: SandboxDeps): Promise<Sandbox> {
  const prepared = await prepareHost(deps);
  const host = { ...prepared, isolation: await tryOut(prepared, deps) };
  return {
    isolation: host.isolation,
    start: (spec) => start(host, deps, spec),
  };
}

async function start(host: Host, deps: SandboxDeps, spec: SandboxSpec): Promise<Running> {
  validateSpec(spec);
  const limits = { ...defaultLimits, ...spec.limits };
  const startedAt = deps.clock.now();
  const started = await startSandbox(host, spec, limits);
  return watch({ host, deps, spec, limits, started, startedAt });
}

/** Runs one harmless sandbox and looks at it from inside, so that what we claim was seen and not assumed. */
async function tryOut(host: Host, deps: SandboxDeps): Promise<SandboxResult['isolation']> {
  const trial = await start(host, deps, {
    id: sandboxId('trial'),
    root: { kind: 'host' },
    command: ['/bin/sh', '-c', trialScript],
    limits: { memoryMb: 256, processes: 32 },
    timeoutSeconds: 20,
  });
  const seen: Uint8Array[] = [];
  for await (const chunk of trial.output) seen.push(chunk);
  await trial.finished;
  return measuredIsolation(host.isolation, Buffer.concat(seen).toString('utf8'));
}

interface Watched {
  readonly host: Host;
  readonly deps: SandboxDeps;
  readonly spec: SandboxSpec;
  readonly limits: Limits;
  readonly started: Started;
  readonly startedAt: Date;
}

interface Forced {
  readonly outcome: Outcome;
  readonly reason: string;
}

/** Fork refusals after which a step is a fork bomb and not a busy build. */
const tooManyRefusedForks = 1000;

function watch({ host, deps, spec, limits, started, startedAt }: Watched): Running {
  const { child, pipe, group, status, pid } = started;
  let forced: Forced | undefined;
  let over = false;

  function end(outcome: Outcome, reason: string): void {
    if (over || forced !== undefined) return;
    forced = { outcome, reason };
    killAll();
  }
  function killAll(): void {
    group?.kill();
    // Process 1: with it the kernel kills the whole namespace. bwrap outside still holds its number, so it is the right one.
    signal(pid, 'SIGKILL');
    // Should bwrap itself hang, its end takes the sandbox along (--die-with-parent).
    setTimeout(() => child.kill('SIGKILL'), 2000).unref();
  }

  const exited = new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });
  const bounds = deps.outputBounds ?? defaultOutputBounds;
  const output = boundOutput(pipe.reader, bounds, () =>
    end('limit_exceeded', `the step printed more than ${bounds.absoluteBytes} bytes`),
  );
  const disk =
    spec.workspace === undefined
      ? undefined
      : watchDisk({
          directory: spec.workspace,
          limitBytes: limits.diskMb * 1024 * 1024,
          onExceeded: (reason) => end('limit_exceeded', reason),
        });
  const timer =
    spec.timeoutSeconds === undefined
      ? undefined
      : setTimeout(
          () => end('timed_out', `the step took longer than ${spec.timeoutSeconds} s`),
          spec.timeoutSeconds * 1000,
        );
  const forks = setInterval(() => {
    if ((group?.usage().refusedForks ?? 0) > tooManyRefusedForks) {
      end('limit_exceeded', `the step tried to run more than ${limits.processes} processes`);
    }
  }, 250);

  async function finish(): Promise<SandboxResult> {
    await exited;
    over = true;
    clearTimeout(timer);
    clearInterval(forks);
    disk?.stop();
    closeIngress();
    await Promise.race([status.ended, delay(1000)]);
    const usage = group?.usage();
    await nothingLeft(host, spec, started);
    await output.ended;
    const finishedAt = deps.clock.now();
    const exitCode = status.exitCode();
    if (forced === undefined && exitCode === undefined) {
      throw new Fault('unavailable', 'sandbox.lost', 'the sandbox ended before the step did', {
        hint: 'read the end of the log; if bwrap complains there, run `sally doctor`',
      });
    }
    const diskExceeded = forced === undefined && exitCode !== 0 && (await disk?.exceeded()) === true;
    const verdict = forced ?? judge(exitCode ?? -1, usage, diskExceeded, limits);
    return {
      ...verdict,
      ...(forced === undefined && exitCode !== undefined ? { exitCode } : {}),
      startedAt,
      finishedAt,
      outputBytes: output.bytes(),
      outputTruncated: output.truncated(),
      ...(usage !== undefined && usage.peakMemoryBytes > 0 ? { peakMemoryBytes: usage.peakMemoryBytes } : {}),
      isolation: host.isolation,
    };
  }
  const finished = finish();
  // Whoever holds the sandbox awaits this; a rejection before that must not end the agent.
  finished.catch(() => undefined);

  let ingress: number | undefined;
  function closeIngress(): void {
    if (ingress !== undefined) closeSync(ingress);
    ingress = undefined;
  }

  return {
    output: output.chunks,
    finished,
    pid,
    kill: (reason) => end('failed', reason),
    async stop(graceSeconds) {
      for (const command of childrenOf(pid)) signal(command, 'SIGTERM');
      const late = new AbortController();
      void delay(graceSeconds * 1000, undefined, { signal: late.signal }).then(
        () => end('failed', `the command did not end within ${graceSeconds} s of being asked`),
        () => undefined,
      );
      try {
        return await finished;
      } finally {
        late.abort();
      }
    },
    connect() {
      if (over) throw notListening(spec.id);
      ingress ??= claimIngress(pid);
      if (ingress === undefined) throw notListening(spec.id);
      // Through our own descriptor: the very socket we looked at, whatever lies at its path by now.
      return connect({ path: `/proc/self/fd/${ingress}`, allowHalfOpen: true });
    },
  };
}

function notListening(id: string): Fault {
  return new Fault('unavailable', 'sandbox.not_listening', `sandbox "${id}" does not take connections`);
}

function claimIngress(pid: number): number | undefined {
  for (const process of [...childrenOf(pid), pid]) {
    const descriptor = openIngress(process);
    if (descriptor === undefined) continue;
    // A link or file there was put by the service in place of the relay's socket.
    if (fstatSync(descriptor).isSocket()) return descriptor;
    closeSync(descriptor);
  }
  return undefined;
}

function judge(
  exitCode: number,
  usage: { readonly memoryKills: number; readonly refusedForks: number } | undefined,
  diskExceeded: boolean,
  limits: Limits,
): { readonly outcome: Outcome; readonly reason?: string } {
  if (exitCode === 0) return { outcome: 'succeeded' };
  if ((usage?.memoryKills ?? 0) > 0) {
    return { outcome: 'limit_exceeded', reason: `the step used more than ${limits.memoryMb} MiB of memory` };
  }
  if (diskExceeded) {
    return { outcome: 'limit_exceeded', reason: `the workspace holds more than ${limits.diskMb} MiB` };
  }
  if ((usage?.refusedForks ?? 0) > 0) {
    return {
      outcome: 'limit_exceeded',
      reason: `the step tried to run more than ${limits.processes} processes`,
    };
  }
  return { outcome: 'failed', reason: `the command ended with exit code ${exitCode}` };
}

/** Waits until the last process is gone and the group removed; a survivor is an error of ours and is said loudly. */
async function nothingLeft(host: Host, spec: SandboxSpec, { group, pid }: Started): Promise<void> {
  group?.kill();
  for (let attempt = 0; attempt < 500; attempt += 1) {
    const gone = isGone(pid, 'bwrap') && (group?.empty() ?? true);
    if (gone) {
      try {
        group?.remove();
        return;
      } catch {
        // The kernel is not done with it yet.
      }
    }
    await delay(attempt < 20 ? 1 : 10);
  }
  host.log.error({ sandbox: spec.id, pid }, 'a sandbox was not fully removed');
  throw new Fault(
    'internal',
    'sandbox.survivor',
    `processes or the control group of sandbox "${spec.id}" are still there`,
  );
}

/** A fresh id for a sandbox: a readable prefix and a random rest. */
export const sandboxId = (prefix: string): string => `${prefix}-${randomUUID().slice(0, 13)}`;
