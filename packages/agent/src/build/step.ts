import { mkdir, rm } from 'node:fs/promises';
import type { EgressRecord, JobGrant, Step, StepGrant, StepReport } from '@sallyport/contract';
import { isFault } from '@sallyport/formats';
import type { FetchedTool, JobEgress, StepEgress } from '../egress/index.ts';
import { type Root, type Sandbox, sandboxId } from '../sandbox/index.ts';
import { handOver } from './environment.ts';
import { secondsOf } from './policy.ts';
import type { JobPort } from './port.ts';
import { createStepLog, type StepLog } from './step-log.ts';

export interface StepContext {
  readonly job: JobGrant;
  readonly port: JobPort;
  readonly sandbox: Sandbox;
  readonly egress: JobEgress;
  readonly clock: { now(): Date };
  readonly root: Root;
  readonly tools: readonly FetchedTool[];
  readonly logBytes: number;
  /** Records made before the first step (of tools), told with it. */
  readonly earlier: () => EgressRecord[];
}

const defaultTimeout = '1h';
const maxRecords = 20_000;

/**
 * Runs one step from its grant to its report, and always reports. What it was given is gone when this returns: the
 * sandbox is dead, its sockets are closed, its secrets wiped.
 */
export async function runStep(
  context: StepContext,
  step: Step,
  place: { readonly workspace: string; readonly sockets: string },
): Promise<StepReport> {
  const { port, clock, sandbox } = context;
  const startedAt = clock.now().toISOString();
  const secrets: { wipe(): void; expose(): Uint8Array }[] = [];
  let lost: unknown;
  const logOf = (values: readonly Uint8Array[]) =>
    createStepLog({
      secrets: values,
      maxBytes: context.logBytes,
      send: (bytes) =>
        port.log(step.name, bytes).catch((error: unknown) => {
          lost = error;
          throw error;
        }),
    });
  let log = logOf([]);
  let opened: StepEgress | undefined;
  let report: Pick<StepReport, 'outcome' | 'isolation'> & { exitCode?: number; reason?: string };
  try {
    port.signal.throwIfAborted();
    const grant = await port.grant(step.name).catch((error: unknown) => {
      // A server that is away has refused nothing: the job is tried again as a whole.
      if (!isFault(error) || error.kind === 'unavailable') lost = error;
      throw error;
    });
    const handed = handOver(context.job, step, grant, context.tools);
    secrets.push(...handed.secrets);
    log = logOf(secrets.map((secret) => secret.expose()));
    await mkdir(place.sockets, { recursive: true, mode: 0o700 });
    opened = await context.egress.openStep({
      name: step.name,
      directory: place.sockets,
      ...wayOut(step, grant),
    });
    report = await inSandbox(context, step, place.workspace, handed, opened, log);
    report = await explained(report, opened.records(), log);
  } catch (error) {
    // Without its log a step has no evidence, and whoever does not take the log has taken the job away.
    if (lost !== undefined) throw lost;
    const stopped = port.signal.aborted;
    if (!stopped && !isFault(error)) throw error;
    const reason = !stopped && isFault(error) ? sentence(error) : 'the job was stopped';
    report = { outcome: 'refused', reason, isolation: sandbox.isolation };
  } finally {
    await opened?.close();
    await rm(place.sockets, { recursive: true, force: true });
  }
  const sent = await log.end();
  for (const secret of secrets) secret.wipe();
  return {
    ...report,
    ...(report.reason === undefined ? {} : { reason: report.reason.slice(0, 1000) }),
    startedAt,
    finishedAt: clock.now().toISOString(),
    logDigest: sent.digest,
    logBytes: sent.bytes,
    logTruncated: sent.truncated,
    egress: [...context.earlier(), ...(opened?.records() ?? [])].slice(0, maxRecords),
  };
}

/** The grant may only narrow what the step declares. */
function wayOut(step: Step, grant: StepGrant): { mirror: boolean; allow?: readonly string[] } {
  const mode = step.network ?? 'none';
  if (mode === 'none') return { mirror: false };
  if (mode === 'registries') return { mirror: true };
  const declared = new Set(step.egress ?? []);
  return { mirror: true, allow: grant.egress.filter((target) => declared.has(target)) };
}

async function inSandbox(
  { sandbox, root, tools, port }: StepContext,
  step: Step,
  workspace: string,
  handed: ReturnType<typeof handOver>,
  egress: StepEgress,
  log: StepLog,
): Promise<Pick<StepReport, 'outcome' | 'isolation'> & { exitCode?: number; reason?: string }> {
  const { cpus, memory_mb, processes, disk_mb } = step.limits ?? {};
  const running = await sandbox.start({
    id: sandboxId(`step-${step.name}`),
    root,
    command: ['/bin/sh', '-e', '-c', step.run],
    workspace,
    mounts: tools.map((tool) => ({ source: tool.directory, target: tool.mountPath })),
    env: handed.env,
    secretFiles: handed.files,
    network: {
      ...(egress.mirrorSocket === undefined ? {} : { mirror: egress.mirrorSocket }),
      ...(egress.proxySocket === undefined ? {} : { proxy: egress.proxySocket }),
    },
    limits: {
      ...(cpus === undefined ? {} : { cpus }),
      ...(memory_mb === undefined ? {} : { memoryMb: memory_mb }),
      ...(processes === undefined ? {} : { processes }),
      ...(disk_mb === undefined ? {} : { diskMb: disk_mb }),
    },
    timeoutSeconds: secondsOf(step.timeout ?? defaultTimeout),
  });
  const stop = () => running.kill('the job was stopped');
  port.signal.addEventListener('abort', stop, { once: true });
  if (port.signal.aborted) stop();
  try {
    for await (const chunk of running.output) await log.write(chunk);
  } catch (error) {
    running.kill('its log could not be sent');
    await running.finished;
    throw error;
  } finally {
    port.signal.removeEventListener('abort', stop);
  }
  const { outcome, exitCode, reason, isolation } = await running.finished;
  return {
    outcome,
    isolation,
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(reason === undefined ? {} : { reason }),
  };
}

/** A step that failed after something was denied to it most likely failed because of that: say so where people look. */
async function explained<R extends { outcome: StepReport['outcome']; reason?: string }>(
  report: R,
  records: readonly EgressRecord[],
  log: StepLog,
): Promise<R> {
  const denied = records.filter((record) => record.decision === 'denied');
  for (const record of denied.slice(0, 20)) await log.note(`refused ${record.uri}: ${record.reason ?? ''}`);
  if (denied.length > 20) await log.note(`and ${denied.length - 20} more refusals`);
  const first = denied[0];
  if (report.outcome === 'succeeded' || first === undefined) return report;
  return { ...report, reason: `${report.reason ?? 'failed'}; refused ${first.uri} (${first.reason ?? ''})` };
}

export function sentence(fault: { message: string; code: string; hint: string | undefined }): string {
  return `${fault.message} (${fault.code})${fault.hint === undefined ? '' : `; ${fault.hint}`}`;
}
