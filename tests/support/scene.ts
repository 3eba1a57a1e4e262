import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EnvironmentStatusView, PromotionView, RunView } from '@sallyport/contract';
import { isFault, SecretBytes } from '@sallyport/formats';
import { type Client, path } from '@sallyport/sdk';
import { createRepository, type Repository } from '../../examples/demo/repository.ts';
import { createSshKey } from '../../examples/demo/ssh-key.ts';
import { freePorts, type Installation } from './installation.ts';
import type { Runtime } from './runtimes.ts';
import { tinyDefinition, tinyService } from './tiny-service.ts';

export const project = 'tiny';
export const environments = ['dev', 'stage', 'prod'] as const;
export type EnvironmentName = (typeof environments)[number];

/** Ada writes, ships and is administrator. Riley may look and approve. The repository is Ada's, commits are signed. */
export interface Scene {
  readonly tokens: { readonly ada: string; readonly riley: string };
  readonly ada: Client;
  readonly riley: Client;
  readonly repository: Repository;
  readonly ports: Readonly<Record<EnvironmentName, number>>;
  /** Commits a version of the service that answers with `version`. */
  commitVersion(version: string, options?: { readonly branch?: string; readonly signed?: boolean }): string;
  /** Commits a definition whose environments want another secret. */
  commitSecret(secret: string): string;
  /** What users see: the answer of the service in an environment. */
  ask(environment: EnvironmentName): Promise<string>;
}

export async function setScene(
  installation: Installation,
  runtime: Runtime,
  options: { readonly pollSeconds?: number } = {},
): Promise<Scene> {
  const first = await installation
    .client()
    .transport.json<{ issued: { token: string } }>('POST', '/api/identity/login', {
      body: { token: installation.bootstrapToken, name: 'Ada', email: 'ada@example.com' },
    });
  const ada = installation.client(first.issued.token);
  const { json } = ada.transport;
  await json('PUT', '/api/identity/policies/approver', {
    body: { rules: [{ path: 'projects/*', capabilities: ['read', 'list', 'approve'], effect: 'allow' }] },
  });
  const person = await json<{ id: string }>('POST', '/api/identity/persons', {
    body: { name: 'Riley', emails: ['riley@example.com'], groups: ['release'], policies: ['approver'] },
  });
  const second = await json<{ token: string }>('POST', path`/api/identity/principals/${person.id}/tokens`, {
    body: { ttlSeconds: 3600, description: 'for a test' },
  });

  const [dev = 0, stage = 0, prod = 0] = await freePorts(3);
  const ports = { dev, stage, prod };
  const template = tinyService(runtime, ports);
  const key = createSshKey();
  const author = { name: 'Ada', email: 'ada@example.com', key };
  const repository = createRepository(join(installation.directory, 'tiny'), template, author);
  rmSync(template, { recursive: true });
  repository.commit('Greet');
  for (const environment of environments) {
    const data = { greeting: SecretBytes.fromUtf8(`hello from ${environment}`) };
    await ada.secrets.put({ project, environment, path: 'tiny/words' }, data);
  }
  await ada.repositories.add(project, {
    name: 'tiny',
    source: repository.directory,
    allowedSigners: `ada@example.com namespaces="git" ${key.publicLine}\n`,
    pollSeconds: options.pollSeconds ?? 0,
  });
  return {
    tokens: { ada: first.issued.token, riley: second.token },
    ada,
    riley: installation.client(second.token),
    repository,
    ports,
    commitVersion(version, how) {
      repository.write(join('src', runtime.file), runtime.source(version));
      return repository.commit(`Version ${version}`, how);
    },
    commitSecret(secret) {
      repository.write('sallyport.yaml', tinyDefinition(runtime, ports, secret));
      return repository.commit(`Want ${secret}`);
    },
    ask: async (environment) =>
      (await fetch(`http://127.0.0.1:${ports[environment]}/`, { signal: AbortSignal.timeout(5000) })).text(),
  };
}

/** Asks again until there is an answer. A server that is away at the moment is no answer. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined>,
  { withinMs = 60_000, everyMs = 100 }: { readonly withinMs?: number; readonly everyMs?: number } = {},
): Promise<T> {
  const deadline = Date.now() + withinMs;
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      const found = await look();
      if (found !== undefined) return found;
      last = undefined;
    } catch (error) {
      if (!isFault(error) || error.kind !== 'unavailable') throw error;
      last = error.code;
    }
    await sleep(everyMs);
  }
  throw new Error(`${what}: not within ${withinMs} ms${last === undefined ? '' : `, last ${String(last)}`}`);
}

const ended = new Set(['succeeded', 'failed', 'cancelled']);

export const runEnded = (client: Client, runId: string, withinMs?: number): Promise<RunView> =>
  until(
    `run ${runId} to end`,
    async () => {
      const { run } = await client.runs.get(project, runId);
      return ended.has(run.state) ? run : undefined;
    },
    withinMs === undefined ? {} : { withinMs },
  );

/** Starts a run by hand and waits for its image. */
export async function build(
  client: Client,
  request: { ref?: string; commit?: string } = {},
): Promise<RunView> {
  const { id } = await client.runs.start(project, { repository: 'tiny', ...request });
  return runEnded(client, id);
}

export const statusOf = async (
  client: Client,
  environment: EnvironmentName,
): Promise<EnvironmentStatusView | undefined> =>
  (await client.releases.status(project)).find((each) => each.environment === environment);

export async function healthy(
  client: Client,
  environment: EnvironmentName,
  digest: string,
  withinMs = 60_000,
): Promise<void> {
  let seen: EnvironmentStatusView | undefined;
  await until(
    `${digest} to be healthy in ${environment}`,
    async () => {
      seen = await statusOf(client, environment);
      const { promotion } = seen ?? {};
      if (promotion?.digest === digest && ['refused', 'failed'].includes(promotion.state)) {
        throw new Error(`it was ${promotion.state}: ${promotion.outcome}`);
      }
      const isThere = seen?.running === digest && seen.sync === 'Synced' && seen.health === 'Healthy';
      return isThere ? seen : undefined;
    },
    { withinMs },
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}; it is ${JSON.stringify(seen)}`);
  });
}

/** The newest promotion of a digest to an environment, once it is in one of the states. */
export const promotionIn = (
  client: Client,
  environment: EnvironmentName,
  digest: string,
  states: readonly string[],
  withinMs = 60_000,
): Promise<PromotionView> =>
  until(
    `a promotion of ${digest} to ${environment} to be ${states.join(' or ')}`,
    async () => {
      const all = await client.releases.promotions(project);
      return all.find(
        (each) => each.environment === environment && each.digest === digest && states.includes(each.state),
      );
    },
    { withinMs },
  );

export interface LedgerReport {
  readonly ok: boolean;
  readonly treeSize: number;
  readonly findings: readonly unknown[];
}

export async function verifyLedger(client: Client): Promise<LedgerReport> {
  const answer = await client.transport.raw('POST', '/api/ledger/verify', { timeoutMs: 300_000 });
  const last = (await answer.text()).trim().split('\n').at(-1) ?? '';
  const { report } = JSON.parse(last) as { report?: LedgerReport }; // our own server's last line
  if (report === undefined) throw new Error(`the ledger could not be verified: ${last}`);
  return report;
}
