import type {
  AgentHello,
  AgentWelcome,
  DeployReport,
  DesiredPage,
  DesiredState,
  JobGrant,
  JobReport,
  SecretGrant,
  StepGrant,
  StepReport,
} from '@sallyport/contract';
import { bodyOf, path, type Transport } from '@sallyport/sdk';

/** The agent's calls to the server, one verb each (contract/agent.ts). All throw Fault. */
export interface ServerApi {
  hello(hello: AgentHello): Promise<AgentWelcome>;
  /**
   * Waits up to `waitSeconds` for a build; undefined when none came. `anew`: no answer came to the last request, so what
   * it may have given is given back.
   */
  lease(waitSeconds: number, anew: boolean, signal: AbortSignal): Promise<JobGrant | undefined>;
  job(job: JobGrant): JobApi;
  desired(after: string | undefined, waitSeconds: number, signal: AbortSignal): Promise<DesiredPage>;
  deploymentSecrets(desired: DesiredState): Promise<readonly SecretGrant[]>;
  report(report: DeployReport): Promise<void>;
}

/** The calls about one leased build; each carries the lease. */
export interface JobApi {
  heartbeat(): Promise<void>;
  source(): Promise<AsyncIterable<Uint8Array>>;
  grant(step: string): Promise<StepGrant>;
  appendLog(step: string, offset: number, bytes: Uint8Array): Promise<number>;
  stepFinished(step: string, report: StepReport): Promise<void>;
  finish(report: JobReport): Promise<void>;
  /** Not ended, and not to be ended by us: somebody takes it from the beginning, at once. */
  handBack(reason: string): Promise<void>;
}

/** A long poll is cut by the server first; this only ends one whose server vanished. */
const pollGraceMs = 15_000;

export function createServerApi(transport: Transport, environments: readonly string[]): ServerApi {
  return {
    hello: (body) => transport.json('POST', '/api/agent/hello', { body }),
    lease: (waitSeconds, anew, signal) =>
      transport.json('POST', '/api/agent/jobs/lease', {
        body: { waitSeconds, anew },
        timeoutMs: waitSeconds * 1000 + pollGraceMs,
        signal,
      }),
    job: (job) => jobApi(transport, job),
    desired: (after, waitSeconds, signal) =>
      transport.json('GET', '/api/agent/deployments', {
        query: { environments: environments.join(','), after, waitSeconds },
        timeoutMs: waitSeconds * 1000 + pollGraceMs,
        signal,
      }),
    async deploymentSecrets({ project, environment, service, revision }) {
      const answer = await transport.json<{ secrets: readonly SecretGrant[] }>(
        'POST',
        path`/api/agent/deployments/${project}/${environment}/${service}/secrets`,
        { body: { revision } },
      );
      return answer.secrets;
    },
    report: (body) => transport.json('POST', '/api/agent/deployments', { body }),
  };
}

function jobApi(transport: Transport, { runId, leaseToken }: JobGrant): JobApi {
  const headers = { 'sallyport-lease': leaseToken };
  return {
    heartbeat: () => transport.json('POST', path`/api/agent/jobs/${runId}/heartbeat`, { headers }),
    async source() {
      const response = await transport.raw('GET', path`/api/agent/jobs/${runId}/source`, { headers });
      return bodyOf(response);
    },
    grant: (step) => transport.json('POST', path`/api/agent/jobs/${runId}/steps/${step}/grant`, { headers }),
    async appendLog(step, offset, bytes) {
      const answer = await transport.json<{ offset: number }>(
        'POST',
        path`/api/agent/jobs/${runId}/steps/${step}/log`,
        { headers, query: { offset }, bytes: Uint8Array.from(bytes) },
      );
      return answer.offset;
    },
    stepFinished: (step, body) =>
      transport.json('POST', path`/api/agent/jobs/${runId}/steps/${step}/finish`, { headers, body }),
    finish: (body) => transport.json('POST', path`/api/agent/jobs/${runId}/finish`, { headers, body }),
    handBack: (reason) =>
      transport.json('POST', path`/api/agent/jobs/${runId}/hand-back`, { headers, body: { reason } }),
  };
}
