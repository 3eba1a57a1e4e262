import type {
  EnvironmentStatusView,
  NewRepository,
  PromotionView,
  RepositoryView,
  RunDetail,
  RunRequest,
  RunView,
  TraceEntryView,
  WhyView,
} from '@sallyport/contract';
import { fromBase64, SecretBytes, toBase64 } from '@sallyport/formats';
import { type ClientOptions, createTransport, path, type Transport } from './transport.ts';

export interface Place {
  readonly project: string;
  readonly environment: string;
  readonly service?: string;
}

/** Typed calls to a Sallyport server. Every verb throws Fault, with the server's code and hint. */
export interface Client {
  readonly transport: Transport;
  readonly repositories: {
    add(project: string, repository: NewRepository): Promise<RepositoryView>;
    list(project: string): Promise<readonly RepositoryView[]>;
    poll(project: string, name: string): Promise<{ readonly started: number }>;
  };
  readonly runs: {
    start(project: string, request: RunRequest): Promise<RunView>;
    list(project: string, limit: number): Promise<readonly RunView[]>;
    get(project: string, runId: string): Promise<RunDetail>;
    cancel(project: string, runId: string, reason: string): Promise<RunView>;
    log(project: string, runId: string, step: string, follow: boolean): Promise<AsyncIterable<Uint8Array>>;
  };
  readonly releases: {
    promote(place: Place, digest: string, reason?: string): Promise<PromotionView>;
    approve(
      place: Place,
      digest: string,
      reason?: string,
    ): Promise<{ readonly id: string; readonly name: string }>;
    refuse(place: Place, promotionId: string, reason: string): Promise<PromotionView>;
    rollback(place: Place, reason: string, digest?: string): Promise<PromotionView>;
    hold(place: Place, reason: string): Promise<void>;
    unhold(place: Place): Promise<{ readonly lifted: boolean }>;
    promotions(project: string): Promise<readonly PromotionView[]>;
    why(place: Place, digest: string): Promise<WhyView>;
    status(project: string): Promise<readonly EnvironmentStatusView[]>;
    trace(project: string, digest: string): Promise<readonly TraceEntryView[]>;
  };
  readonly secrets: {
    put(
      at: { readonly project: string; readonly environment: string; readonly path: string },
      data: Readonly<Record<string, SecretBytes>>,
    ): Promise<{ readonly version: number }>;
    get(at: {
      readonly project: string;
      readonly environment: string;
      readonly path: string;
    }): Promise<{ readonly version: number; readonly data: Readonly<Record<string, SecretBytes>> }>;
    list(
      project: string,
      environment: string,
    ): Promise<ReadonlyArray<{ readonly path: string; readonly version: number }>>;
  };
  readonly evidence: {
    list(
      digest: string,
    ): Promise<
      ReadonlyArray<{
        readonly id: string;
        readonly predicateType: string;
        readonly bundle: string;
        readonly logIndex: number;
      }>
    >;
    trustRoot(): Promise<string>;
  };
}

export function createClient(options: ClientOptions): Client {
  const transport = createTransport(options);
  const { json, raw } = transport;
  const at = ({ project, environment }: Place, what: string): string =>
    path`/api/projects/${project}/environments/${environment}/${what}`;
  const named = ({ service }: Place): object => (service === undefined ? {} : { service });
  const because = (reason: string | undefined): object => (reason === undefined ? {} : { reason });
  return {
    transport,
    repositories: {
      add: (project, body) =>
        json('POST', path`/api/projects/${project}/repositories`, { body, timeoutMs: 300_000 }),
      list: async (project) =>
        (await json<{ repositories: RepositoryView[] }>('GET', path`/api/projects/${project}/repositories`))
          .repositories,
      poll: (project, name) =>
        json('POST', path`/api/projects/${project}/repositories/${name}/poll`, { timeoutMs: 300_000 }),
    },
    runs: {
      start: (project, body) =>
        json('POST', path`/api/projects/${project}/runs`, { body, timeoutMs: 300_000 }),
      list: async (project, limit) =>
        (await json<{ runs: RunView[] }>('GET', path`/api/projects/${project}/runs`, { query: { limit } }))
          .runs,
      get: (project, runId) => json('GET', path`/api/projects/${project}/runs/${runId}`),
      cancel: (project, runId, reason) =>
        json('POST', path`/api/projects/${project}/runs/${runId}/cancel`, { body: { reason } }),
      log: async (project, runId, step, follow) => {
        const response = await raw('GET', path`/api/projects/${project}/runs/${runId}/steps/${step}/log`, {
          query: { follow },
          timeoutMs: 3600_000,
        });
        return response.body ?? ReadableStream.from([]);
      },
    },
    releases: {
      promote: (place, digest, reason) =>
        json('POST', at(place, 'promotions'), { body: { ...named(place), digest, ...because(reason) } }),
      approve: (place, digest, reason) =>
        json('POST', at(place, 'approvals'), { body: { ...named(place), digest, ...because(reason) } }),
      refuse: (place, promotionId, reason) =>
        json('POST', at(place, 'refusals'), { body: { promotionId, reason } }),
      rollback: (place, reason, digest) =>
        json('POST', at(place, 'rollback'), {
          body: { ...named(place), reason, ...(digest === undefined ? {} : { digest }) },
        }),
      hold: (place, reason) => json('PUT', at(place, 'hold'), { body: { ...named(place), reason } }),
      unhold: (place) => json('DELETE', at(place, 'hold'), { query: { service: place.service } }),
      promotions: async (project) =>
        (await json<{ promotions: PromotionView[] }>('GET', path`/api/projects/${project}/promotions`))
          .promotions,
      why: (place, digest) => json('GET', at(place, 'why'), { query: { digest, service: place.service } }),
      status: async (project) =>
        (await json<{ environments: EnvironmentStatusView[] }>('GET', path`/api/projects/${project}/status`))
          .environments,
      trace: async (project, digest) =>
        (await json<{ entries: TraceEntryView[] }>('GET', path`/api/projects/${project}/trace/${digest}`))
          .entries,
    },
    secrets: {
      put: (where, data) =>
        json('PUT', secretPath(where), {
          body: {
            data: Object.fromEntries(
              Object.entries(data).map(([key, value]) => [key, toBase64(value.expose())]),
            ),
          },
        }),
      get: async (where) => {
        const found = await json<{ version: number; data: Record<string, string> }>('GET', secretPath(where));
        const data = Object.entries(found.data).map(([key, value]) => [
          key,
          SecretBytes.from(fromBase64(value)),
        ]);
        return { version: found.version, data: Object.fromEntries(data) };
      },
      list: async (project, environment) =>
        (
          await json<{ secrets: { path: string; version: number }[] }>(
            'GET',
            path`/api/secrets/${project}/${environment}`,
          )
        ).secrets,
    },
    evidence: {
      list: async (digest) => {
        const answer = await json<{ evidence: Awaited<ReturnType<Client['evidence']['list']>> }>(
          'GET',
          path`/api/evidence/${digest}`,
        );
        return answer.evidence;
      },
      trustRoot: async () => (await raw('GET', '/api/trust-root')).text(),
    },
  };
}

function secretPath(where: {
  readonly project: string;
  readonly environment: string;
  readonly path: string;
}): string {
  const rest = where.path.split('/').map(encodeURIComponent).join('/');
  return `${path`/api/secrets/${where.project}/${where.environment}/data/`}${rest}`;
}
