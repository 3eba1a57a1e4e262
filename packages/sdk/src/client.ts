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
import { bodyOf } from './answer.ts';
import { createFederationClient, type FederationClient } from './federation.ts';
import { createIdentityClient, type IdentityClient } from './identity.ts';
import {
  createEnvironmentsClient,
  createInventoryClient,
  type EnvironmentsClient,
  type InventoryClient,
} from './inventory.ts';
import { createRevocationsClient, type RevocationsClient } from './revocations.ts';
import { createSecretsClient, type SecretsClient } from './secrets.ts';
import { type ClientOptions, createTransport, path, type Transport } from './transport.ts';

export interface Place {
  readonly project: string;
  readonly environment: string;
  readonly service?: string;
}

/** `system` holds the signing keys; `root` is above all others. */
export type KeyScope = 'root' | 'system' | { readonly project: string; readonly environment: string };

export interface LogOptions {
  readonly follow?: boolean;
  /** Default: the last one. */
  readonly attempt?: number;
  /** Bytes to pass over. */
  readonly offset?: number;
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
    /** Masked; with `follow` as it grows, until the step has ended. */
    log(
      project: string,
      runId: string,
      step: string,
      options?: LogOptions,
    ): Promise<AsyncIterable<Uint8Array>>;
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
  readonly secrets: SecretsClient;
  readonly environments: EnvironmentsClient;
  readonly inventory: InventoryClient;
  readonly identity: IdentityClient;
  readonly federation: FederationClient;
  readonly keys: {
    /** A new key for that scope; the server moves the records to it while everything else goes on. */
    rotate(scope: KeyScope): Promise<{ readonly version: number }>;
  };
  readonly revocations: RevocationsClient;
  readonly evidence: {
    list(digest: string): Promise<
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
  return createClientOn(createTransport(options));
}

/** Over a transport of the caller's, such as one to several servers (`createFailover`). */
export function createClientOn(transport: Transport): Client {
  const { json, raw, text } = transport;
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
      log: async (project, runId, step, options = {}) => {
        const response = await raw('GET', path`/api/projects/${project}/runs/${runId}/steps/${step}/log`, {
          query: { ...options },
          timeoutMs: 3600_000,
        });
        return bodyOf(response);
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
    secrets: createSecretsClient(transport),
    environments: createEnvironmentsClient(transport),
    inventory: createInventoryClient(transport),
    federation: createFederationClient(transport),
    identity: createIdentityClient(transport),
    keys: {
      rotate: (scope) =>
        json(
          'POST',
          typeof scope === 'string'
            ? path`/api/keyring/${scope}/rotate`
            : path`/api/keyring/environments/${scope.project}/${scope.environment}/rotate`,
        ),
    },
    revocations: createRevocationsClient(transport),
    evidence: {
      list: async (digest) => {
        const answer = await json<{ evidence: Awaited<ReturnType<Client['evidence']['list']>> }>(
          'GET',
          path`/api/evidence/${digest}`,
        );
        return answer.evidence;
      },
      trustRoot: () => text('GET', '/api/trust-root'),
    },
  };
}
