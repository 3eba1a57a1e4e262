import type { DeployReport, DesiredState, DriftFinding, HealthStatus } from '@sallyport/contract';
import { type Digest, Fault, isFault, type TrustRoot } from '@sallyport/formats';
import type { Clock, Log } from '../sandbox/index.ts';
import { createFindings } from './findings.ts';
import { foreignProcesses } from './instance/foreign.ts';
import type { RevocationKeeper } from './revocations.ts';
import type { Live, Serving } from './serving.ts';
import type { ServiceState, StateStore } from './state.ts';
import { type Accepted, acceptDesired } from './verify.ts';

export interface ServiceDeps {
  readonly serving: Serving;
  readonly state: StateStore;
  readonly revocations: Pick<RevocationKeeper, 'sequence' | 'requireFresh' | 'requireStanding'>;
  readonly trustRoot: () => TrustRoot;
  readonly clock: Clock;
  readonly log: Log;
}

/** One service in one environment, kept as its desired state says. All verbs but `report` wait for each other. */
export interface Service {
  /** Verifies and moves to it. What is wrong with it is in the report; the old revision goes on running. */
  apply(desired: DesiredState): Promise<void>;
  /** Starts what the state on disk says. */
  recover(state: ServiceState): Promise<void>;
  /** Looks once at process, health, files and port, and mends what may be mended. */
  tick(): Promise<void>;
  report(): DeployReport;
  stop(): Promise<void>;
}

const unhealthyAfter = 3;
const firstBackoffMilliseconds = 500;
const maxBackoffMilliseconds = 30_000;
/** An instance that lived this long was no crash loop; the backoff begins anew. */
const settledMilliseconds = 60_000;
/** Tries of one revision; then it takes another revision, or a restart of the agent. */
const maxAttempts = 5;
const hashBytesPerLook = 16 * 1024 * 1024;
const releaseKinds: ReadonlyArray<DriftFinding['kind']> = [
  'file-changed',
  'file-missing',
  'file-added',
  'process-foreign',
];

type Place = Pick<DesiredState, 'project' | 'environment' | 'service'>;

export function createService(place: Place, deps: ServiceDeps): Service {
  const { serving, state, revocations, trustRoot, clock, log } = deps;
  const findings = createFindings(clock);
  let saved: ServiceState | undefined;
  let wanted: Accepted | undefined;
  /** What ran when its instance ended by itself, and shall run again. */
  let restarting: Accepted | undefined;
  let refusal: DeployReport['refusal'];
  /** The revision the report is about: the wanted one, or a later one that was refused. */
  let acted = 0;
  let health: HealthStatus = 'Unknown';
  let restarts = 0;
  let failedChecks = 0;
  let attempts = 0;
  let backoff = firstBackoffMilliseconds;
  let notBefore = 0;
  let startedAt = 0;
  let nextCheck = 0;
  let nextLook = 0;
  let stopped = false;
  /** The list that the live instance was last judged by. */
  let judgedBy: number | undefined;
  /** What runs was revoked: it is reported so, and never counts as healthy. */
  let revoked = false;
  let turn: Promise<unknown> = Promise.resolve();

  /** One at a time, in order of asking; a failure of one is not one of the next. */
  function exclusively(work: () => Promise<void>): Promise<void> {
    const result = turn.then(async () => {
      if (!stopped) await work();
    });
    turn = result.catch(() => undefined);
    return result;
  }

  async function save(next: ServiceState): Promise<void> {
    await state.save(next);
    saved = next;
  }

  function refuse(error: unknown, what: string): void {
    const fault = isFault(error)
      ? error
      : new Fault('internal', 'deploy.failed', String(error), { cause: error });
    refusal = { code: fault.code.slice(0, 100), message: fault.message.slice(0, 1000) };
    log.warn({ ...place, code: fault.code, reason: fault.message }, what);
  }

  function pause(): void {
    notBefore = performance.now() + backoff;
    backoff = Math.min(backoff * 2, maxBackoffMilliseconds);
  }

  const isCurrent = (): boolean =>
    wanted !== undefined && serving.live()?.accepted.desired.revision === wanted.desired.revision;

  async function moveTo(
    accepted: Accepted,
    options: { record?: Digest | undefined; fresh?: boolean } = {},
  ): Promise<void> {
    const { record, fresh } = options;
    // Also what ran before: nothing revoked is started, by a restart of the agent, of the instance, or to mend drift.
    revocations.requireStanding(accepted.shown);
    const list = revocations.sequence();
    if (serving.live() === undefined) health = 'Progressing';
    const live = await serving.moveTo(accepted, {
      ...(record === undefined ? {} : { record }),
      ...(fresh === undefined ? {} : { fresh }),
    });
    health = 'Healthy';
    revoked = false;
    judgedBy = list;
    failedChecks = 0;
    startedAt = performance.now();
    nextCheck = startedAt + accepted.target.health.intervalSeconds * 1000;
    nextLook = 0;
    seePort(serving.hasPort(), live);
    const { desired } = accepted;
    // A crash before this line starts the revision again from `desired`, which is the same thing.
    await save({
      highestRevision: saved?.highestRevision ?? desired.revision,
      desired: saved?.desired ?? desired,
      lastHealthy: { desired, record: live.release.record },
    });
  }

  function seePort(ours: boolean, { accepted }: Live): void {
    const expected = `127.0.0.1:${accepted.target.port} for the agent`;
    const found = 'another process listens there';
    if (ours) findings.corrected(['port-taken']);
    else findings.see(['port-taken'], [{ kind: 'port-taken', expected, found }]);
  }

  /** Tries the wanted revision; on failure waits longer each time, and in the end for another revision. */
  async function pursue(): Promise<void> {
    if (wanted === undefined) return;
    const record = sameRevision(saved?.lastHealthy?.desired, wanted.desired)
      ? saved?.lastHealthy?.record
      : undefined;
    try {
      await moveTo(wanted, { record });
      refusal = undefined;
      restarting = undefined;
      attempts = 0;
      backoff = firstBackoffMilliseconds;
    } catch (error) {
      const away = isFault(error) && !isLasting(error);
      attempts = isLasting(error) ? maxAttempts : away ? 0 : attempts + 1;
      // A refusal ends the promotion at the server, so one is only told when this revision will not be tried again.
      if (attempts >= maxAttempts) refuse(error, 'a revision could not be started');
      else log.warn({ ...place, attempts, reason: String(error) }, 'a revision could not be started yet');
      if (serving.live() === undefined) health = attempts >= maxAttempts ? 'Degraded' : 'Progressing';
      pause();
    }
  }

  /** Asked once for each list, not at each tick. */
  async function judge(): Promise<void> {
    const live = serving.live();
    const list = revocations.sequence();
    if (live === undefined || list === judgedBy) return;
    try {
      revocations.requireStanding(live.accepted.shown);
      judgedBy = list;
    } catch (error) {
      refuse(error, 'what runs was revoked');
      revoked = true;
      health = 'Degraded';
      restarting = undefined;
      if (isCurrent()) attempts = maxAttempts;
      if (live.accepted.target.revoked === 'stop') await serving.withdraw();
      judgedBy = list;
    }
  }

  async function supervise(): Promise<void> {
    const live = serving.live();
    if (live?.instance.hasEnded() !== true) return;
    const end = await live.instance.ended;
    const why = end instanceof Fault ? end.message : (end.reason ?? 'it ended');
    const found = `${why}${live.instance.tail.quoted()}`;
    findings.see(['process-dead'], [{ kind: 'process-dead', expected: 'a running process', found }]);
    log.warn({ ...place, revision: live.accepted.desired.revision, found }, 'an instance ended by itself');
    if (performance.now() - startedAt > settledMilliseconds) backoff = firstBackoffMilliseconds;
    restarting = live.accepted;
    health = 'Progressing';
    await serving.lose();
    pause();
  }

  async function restart(): Promise<void> {
    if (restarting === undefined || performance.now() < notBefore) return;
    restarts += 1;
    try {
      await moveTo(restarting, { record: saved?.lastHealthy?.record });
      restarting = undefined;
      if (isCurrent()) refusal = undefined;
      findings.corrected(['process-dead']);
    } catch (error) {
      refuse(error, 'an instance could not be restarted');
      health = 'Degraded';
      pause();
    }
  }

  async function checkHealth(): Promise<void> {
    const live = serving.live();
    if (live === undefined || performance.now() < nextCheck) return;
    nextCheck = performance.now() + live.accepted.target.health.intervalSeconds * 1000;
    const answer = await live.instance.check();
    if (answer === undefined) {
      failedChecks = 0;
      if (revoked) return;
      health = 'Healthy';
      if (refusal?.code === 'deploy.unhealthy' && isCurrent()) refusal = undefined;
      return;
    }
    failedChecks += 1;
    if (failedChecks < unhealthyAfter || live.instance.hasEnded()) return;
    health = 'Degraded';
    if (isCurrent())
      refusal = { code: 'deploy.unhealthy', message: `${failedChecks} checks in a row failed: ${answer}` };
  }

  async function lookForDrift(): Promise<void> {
    const live = serving.live();
    if (live === undefined || live.instance.hasEnded() || performance.now() < nextLook) return;
    const began = performance.now();
    const differences = await live.release.inspector.inspect(hashBytesPerLook);
    const foreign = foreignProcesses(live.instance.pid).map(({ pid, name }) => ({
      kind: 'process-foreign' as const,
      expected: 'only processes the service started',
      found: `process ${pid} (${name}) entered its sandbox`,
    }));
    // At most a twentieth of the time goes into looking, and a change is still seen within seconds.
    nextLook = performance.now() + Math.max(1000, (performance.now() - began) * 20);
    findings.see(releaseKinds, [...differences, ...foreign]);
    if (differences.length === 0 && foreign.length === 0) return;
    log.warn({ ...place, differences: differences.length, foreign: foreign.length }, 'drift');
    if (live.accepted.target.drift !== 'correct') return;
    try {
      // Fresh bytes and a fresh sandbox: what the drift did to the running one cannot be known.
      await moveTo(live.accepted, { fresh: differences.length > 0 });
      findings.corrected(releaseKinds);
    } catch (error) {
      refuse(error, 'drift could not be corrected');
      nextLook = performance.now() + 5000;
    }
  }

  return {
    apply: (desired) =>
      exclusively(async () => {
        const known = saved?.desired;
        if (
          wanted !== undefined &&
          known?.revision === desired.revision &&
          known.statement === desired.statement
        )
          return;
        let accepted: Accepted;
        try {
          accepted = acceptDesired(desired, trustRoot(), saved?.highestRevision ?? 0);
          if (known?.revision === desired.revision && known.digest !== desired.digest)
            throw conflict(known, desired);
          revocations.requireFresh();
          revocations.requireStanding(accepted.shown);
          // Before anything is done, so that no crash makes the agent forget what it saw.
          await save({ ...saved, highestRevision: desired.revision, desired });
        } catch (error) {
          if (desired.revision < (saved?.highestRevision ?? 0)) {
            // Late or replayed: it says nothing about the present revision, whose promotion it must not fail.
            log.warn(
              { ...place, revision: desired.revision, reason: String(error) },
              'an old desired state was refused',
            );
            return;
          }
          acted = desired.revision;
          refuse(error, 'a desired state was refused');
          return;
        }
        wanted = accepted;
        acted = desired.revision;
        refusal = undefined;
        attempts = 0;
        backoff = firstBackoffMilliseconds;
        await pursue();
      }),
    recover: (found) =>
      exclusively(async () => {
        saved = found;
        acted = found.desired.revision;
        const { lastHealthy } = found;
        try {
          wanted = acceptDesired(found.desired, trustRoot(), found.highestRevision);
          if (lastHealthy !== undefined && !sameRevision(lastHealthy.desired, found.desired)) {
            // It was serving when the agent ended: serve again first, then try what is wanted.
            await moveTo(acceptDesired(lastHealthy.desired, trustRoot(), 0), { record: lastHealthy.record });
          }
        } catch (error) {
          // Not a refusal: the report is about the wanted revision, whose promotion this must not fail.
          log.warn(
            { ...place, reason: String(error) },
            'the last healthy revision could not be started again',
          );
        }
        await pursue();
      }),
    tick: () =>
      exclusively(async () => {
        await judge();
        await supervise();
        const due = performance.now() >= notBefore;
        if (!isCurrent() && restarting?.desired.revision !== wanted?.desired.revision) {
          if (due && attempts < maxAttempts) await pursue();
        }
        await restart();
        const live = serving.live();
        if (live !== undefined && !serving.hasPort()) seePort(await serving.holdPort(), live);
        await checkHealth();
        await lookForDrift();
      }),
    report() {
      const live = serving.live();
      const unreachable = live !== undefined && !serving.hasPort();
      return {
        ...place,
        revision: acted,
        ...(live === undefined ? {} : { digest: live.accepted.desired.digest }),
        sync:
          wanted === undefined
            ? 'Unknown'
            : isCurrent() && !revoked && !findings.any()
              ? 'Synced'
              : 'OutOfSync',
        health: unreachable ? 'Degraded' : health,
        ...(refusal === undefined ? {} : { refusal }),
        findings: findings.list(),
        restarts,
        ...(live === undefined || unreachable ? {} : { address: `127.0.0.1:${live.accepted.target.port}` }),
        observedAt: clock.now().toISOString(),
      };
    },
    stop: () =>
      exclusively(async () => {
        stopped = true;
        await serving.stop();
        health = 'Missing';
      }),
  };
}

/**
 * Wrong bytes do not become right by asking again, and an instance that failed had its time: going back is the server's
 * decision. A registry or server that is away may be back at any moment, and is waited for.
 */
function isLasting(error: unknown): boolean {
  if (!isFault(error)) return false;
  return (
    error.kind !== 'unavailable' || error.code === 'deploy.start_failed' || error.code === 'deploy.unhealthy'
  );
}

function sameRevision(one: DesiredState | undefined, other: DesiredState): boolean {
  return one?.revision === other.revision;
}

function conflict(known: DesiredState, desired: DesiredState): Fault {
  return new Fault(
    'integrity',
    'deploy.revision_conflict',
    `expected revision ${desired.revision} to be ${known.digest}, got ${desired.digest}`,
  );
}
