import { setTimeout as sleep } from 'node:timers/promises';
import type { DeployReport } from '@sallyport/contract';
import { isFault } from '@sallyport/formats';
import type { Deployer } from '../deploy/index.ts';
import type { Log } from '../sandbox/index.ts';
import type { ServerApi } from './server-api.ts';

export interface DeployLoopDeps {
  readonly api: ServerApi;
  readonly deployer: Deployer;
  readonly log: Log;
}

const waitSeconds = 20;
const retryMs = 500;
const reportEveryMs = 500;
/** Also when nothing changed: the server shows how old a report is. */
const repeatAfterMs = 10_000;

/** Pulls what shall run and acts on it until `signal` aborts. */
export async function pullDesired(
  { api, deployer, log }: DeployLoopDeps,
  signal: AbortSignal,
): Promise<void> {
  let cursor: string | undefined;

  /** A list that is refused changes nothing: what comes is judged by the one that is kept, and refused once that is old. */
  async function takeRevocations(bundle: string): Promise<void> {
    try {
      await deployer.takeRevocations(bundle);
    } catch (error) {
      log.error(
        { error: isFault(error) ? error.code : String(error), reason: String(error) },
        'a revocation list was refused',
      );
    }
  }

  while (!signal.aborted) {
    try {
      const page = await api.desired(cursor, waitSeconds, signal);
      if (page.cursor === cursor) continue;
      await takeRevocations(page.revocations);
      // Each on its own: one that takes long or is refused holds up no other.
      await Promise.all(page.deployments.map((desired) => deployer.apply(desired)));
      cursor = page.cursor;
    } catch (error) {
      if (signal.aborted) return;
      log.warn(
        { error: isFault(error) ? error.code : String(error) },
        'the desired state could not be pulled',
      );
      await sleep(retryMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** Tells the server what runs whenever it changes, and every ten seconds. */
export async function pushReports(
  { api, deployer, log }: DeployLoopDeps,
  signal: AbortSignal,
): Promise<void> {
  const told = new Map<string, { readonly what: string; readonly at: number }>();
  while (!signal.aborted) {
    for (const report of deployer.reports()) {
      const key = `${report.project}/${report.environment}/${report.service}`;
      const what = essence(report);
      const last = told.get(key);
      if (last !== undefined && last.what === what && Date.now() - last.at < repeatAfterMs) continue;
      try {
        await api.report(report);
        told.set(key, { what, at: Date.now() });
      } catch (error) {
        log.warn({ key, error: isFault(error) ? error.code : String(error) }, 'a report was not taken');
      }
    }
    await sleep(reportEveryMs, undefined, { signal }).catch(() => undefined);
  }
}

/** The report without the time at which it was looked at. */
function essence({ observedAt: _when, ...rest }: DeployReport): string {
  return JSON.stringify(rest);
}
