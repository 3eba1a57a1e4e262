import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { Fault } from '@sallyport/formats';
import { buildArguments, descriptors, encodeArguments } from './arguments.ts';
import type { Group } from './cgroup/cgroup.ts';
import type { Host } from './host.ts';
import { createLaunch, give, giveTree } from './launch.ts';
import type { Limits, SandboxSpec } from './model.ts';
import { inheritedDescriptors, type Pipe } from './pipes.ts';
import { readStatus, type Status } from './status.ts';

/** A started sandbox, before anyone judges how it ends. */
export interface Started {
  readonly child: ChildProcess;
  readonly pipe: Pipe;
  readonly group: Group | undefined;
  readonly status: Status;
  /** Process 1 of the sandbox, as the host numbers it. */
  readonly pid: number;
}

/**
 * Starts the sandbox in three moves: bwrap sets everything up and waits, we put its process 1 into the control group,
 * then let it go on. So nothing of the step ever runs outside its limits.
 */
export async function startSandbox(host: Host, spec: SandboxSpec, limits: Limits): Promise<Started> {
  const { features, stepUid } = host;
  if (spec.workspace !== undefined) giveTree(spec.workspace, stepUid);
  for (const socket of [spec.network?.mirror, spec.network?.proxy])
    if (socket !== undefined) give(socket, stepUid);

  const launch = createLaunch({ bwrap: features.bwrap, stepUid, setpriv: host.setpriv ?? '' });
  const { runtime } = host;
  const { args, data, usesInit, command } = buildArguments({
    spec,
    limits,
    runtime,
    features,
    stage: launch.stage,
  });
  const encoded = encodeArguments(args);
  const [program = '', ...prefix] = [...resourceLimits(host, limits, spec), ...launch.prefix()];

  const pipe = await host.pipes.open();
  let group: Group | undefined;
  const opened: number[] = [];
  try {
    // The init's threads are ours, not the step's; so is process 1.
    const processes = limits.processes + (usesInit ? 20 : 1);
    const memoryBytes = Math.round(limits.memoryMb * 1024 * 1024);
    group = host.groups?.create(spec.id, { cpus: limits.cpus, memoryBytes, processes });
    const seccomp = openSync(runtime.seccomp, 'r');
    opened.push(seccomp);
    const stdio: Array<'ignore' | 'pipe' | number> = [
      'ignore',
      pipe.writer,
      pipe.writer,
      'pipe',
      seccomp,
      'pipe',
      'pipe',
    ];
    for (const _ of data) stdio.push('pipe');
    for (const descriptor of inheritedDescriptors()) {
      if (descriptor < stdio.length) continue;
      const nothing = openSync('/dev/null', constants.O_RDONLY);
      opened.push(nothing);
      while (stdio.length < descriptor) stdio.push('ignore');
      stdio.push(nothing);
    }

    const child = spawn(program, [...prefix, '--args', String(descriptors.args), '--', ...command], {
      cwd: '/',
      env: {},
      stdio,
      detached: true,
    });
    pipe.closeWriter();
    const failed = new Promise<never>((_, reject) => child.once('error', reject));
    const status = readStatus(streamsOf(child)[descriptors.status]);
    feed(child, descriptors.args, encoded);
    for (const [index, bytes] of data.entries()) feed(child, descriptors.firstData + index, bytes);

    const start = watchStart(child, host.startMilliseconds);
    const told = await Promise.race([status.pid, failed, start.missed]).finally(() => start.end());
    const pid = child.pid === undefined ? undefined : launch.hostPid(child.pid, told);
    if (pid === undefined) {
      kill(child);
      throw new Error('the first process of the sandbox was not found');
    }
    try {
      group?.add(pid);
      await host.limitProcess?.(pid, processes);
    } catch (error) {
      kill(child);
      throw error;
    }
    feed(child, descriptors.block, new Uint8Array([1]));
    return { child, pipe, group, status, pid };
  } catch (error) {
    pipe.closeWriter();
    const said = await sayings(pipe);
    // Empty: process 1 never entered it, or was killed and takes a moment to leave; the next start sweeps the rest.
    try {
      group?.remove();
    } catch {
      host.log.warn({ sandbox: spec.id }, 'control group left behind');
    }
    throw new Fault(
      'precondition',
      'sandbox.start_failed',
      `the sandbox did not start: ${said || String(error)}`,
      {
        hint: 'run `sally doctor`',
        cause: error,
      },
    );
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

/** Node types five streams; there are as many as we asked for. */
const streamsOf = (child: ChildProcess): ReadonlyArray<Readable | Writable | null | undefined> => child.stdio;

function feed(child: ChildProcess, descriptor: number, bytes: Uint8Array): void {
  const stream = streamsOf(child)[descriptor];
  if (stream === null || stream === undefined || !('end' in stream)) return;
  // A bwrap that gave up closes its ends; why it did is learnt from its output.
  stream.on('error', () => undefined);
  stream.end(bytes);
}

/** Bounds the start and nothing after it: `end` must be called, or the timer kills what has long been running. */
function watchStart(
  child: ChildProcess,
  milliseconds: number,
): { readonly missed: Promise<never>; end(): void } {
  const { promise: missed, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    kill(child);
    reject(new Error(`no sandbox after ${milliseconds} ms`));
  }, milliseconds);
  const ended = (code: number | null): void => {
    reject(new Error(`bwrap ended with ${code} before the sandbox was ready`));
  };
  child.once('exit', ended);
  return {
    missed,
    end: () => {
      clearTimeout(timer);
      child.off('exit', ended);
    },
  };
}

export function kill(child: ChildProcess): void {
  child.kill('SIGKILL');
}

/** What bwrap printed before it gave up. */
async function sayings(pipe: Pipe): Promise<string> {
  const chunks: Uint8Array[] = [];
  const done = new Promise<void>((resolve) => {
    pipe.reader.on('data', (chunk: Uint8Array) => chunks.push(chunk));
    pipe.reader.once('close', () => resolve());
    setTimeout(() => pipe.reader.destroy(), 500).unref();
  });
  pipe.reader.resume();
  await done;
  return Buffer.concat(chunks).toString('utf8').trim().slice(0, 500);
}

/** No core dumps (they may hold secrets), no file larger than the workspace may be, and memory where no group can. */
function resourceLimits(host: Host, limits: Limits, spec: SandboxSpec): readonly string[] {
  if (host.prlimit === undefined) return [];
  const args = [host.prlimit, '--core=0:0'];
  if (spec.workspace !== undefined) {
    // One block over, so that a single file that grew to the bound is seen as past it.
    const bytes = Math.round(limits.diskMb * 1024 * 1024) + 4096;
    args.push(`--fsize=${bytes}:${bytes}`);
  }
  if (host.isolation.memoryLimit === 'rlimit') {
    const bytes = Math.round(limits.memoryMb * 1024 * 1024);
    args.push(`--data=${bytes}:${bytes}`);
  }
  return [...args, '--'];
}
