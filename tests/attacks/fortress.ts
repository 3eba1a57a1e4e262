import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { JobGrant, JobReport, RunView, StepGrant, StepReport } from '@sallyport/contract';
import { canonicalJson, type Digest, digestOf, mediaTypes, utf8, writeTar } from '@sallyport/formats';
import { type Client, createClient, path } from '@sallyport/sdk';
import { sql } from 'kysely';
import { createRepository, type Repository } from '../../examples/demo/repository.ts';
import { createSshKey, type SshKey } from '../../examples/demo/ssh-key.ts';
import { compose, type Sallyport } from '../../packages/server/src/app/compose.ts';
import { databaseOf, loadConfig, openDatabase } from '../../packages/server/src/platform/index.ts';
import { silentLog } from '../../packages/server/test-support/fakes.ts';
import { freePorts } from '../support/installation.ts';

/** The whole server in this process, as `main.ts` composes it, and an agent that does whatever a test wants. */
export interface Fortress {
  readonly directory: string;
  readonly url: string;
  readonly sallyport: Sallyport;
  /** Ada, administrator. */
  readonly ada: Client;
  readonly agent: Client;
  readonly agentToken: string;
  client(token?: string): Client;
  /** A person or workload with one policy of the given rules. */
  someone(
    kind: 'person' | 'workload' | 'agent',
    rules: readonly Rule[],
  ): Promise<{ id: string; token: string; client: Client }>;
  /** Stops the server, lets somebody with the database's files write to them, and starts it again at the same address. */
  writePast(...statements: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

export interface Rule {
  readonly path: string;
  readonly capabilities: readonly string[];
  readonly effect: 'allow' | 'deny';
}

export async function openFortress(flags: Readonly<Record<string, string>> = {}): Promise<Fortress> {
  const directory = mkdtempSync(join(tmpdir(), 'sally-attack-'));
  const [port] = await freePorts(1);
  const { config } = await loadConfig({
    env: { DATABASE_URL: undefined },
    flags: { 'data-directory': join(directory, 'data'), 'listen-port': String(port), ...flags },
    cwd: directory,
  });
  let sallyport = await compose(config, silentLog, () => undefined);
  const { url, bootstrapToken } = await sallyport.start({ localAgent: true });
  const client = (token?: string): Client =>
    createClient({ address: url, ...(token === undefined ? {} : { token }) });
  const { issued } = await client().transport.json<{ issued: { token: string } }>(
    'POST',
    '/api/identity/login',
    { body: { token: bootstrapToken, name: 'Ada', email: 'ada@example.com' } },
  );
  const ada = client(issued.token);
  const agentToken = readFileSync(join(config.dataDirectory, 'agent-token'), 'utf8').trim();
  return {
    directory,
    url,
    get sallyport() {
      return sallyport;
    },
    ada,
    agent: client(agentToken),
    agentToken,
    client,
    async someone(kind, rules) {
      const name = `x-${randomUUID().slice(0, 8)}`;
      const { json } = ada.transport;
      await json('PUT', path`/api/identity/policies/${name}`, { body: { rules } });
      const made = await json<{ id: string }>(
        'POST',
        kind === 'person' ? '/api/identity/persons' : '/api/identity/workloads',
        {
          body:
            kind === 'person'
              ? { name, emails: [`${name}@example.com`], policies: [name] }
              : { kind, name, policies: [name] },
        },
      );
      const { token } = await json<{ token: string }>(
        'POST',
        path`/api/identity/principals/${made.id}/tokens`,
        {
          body: { ttlSeconds: 3600 },
        },
      );
      return { id: made.id, token, client: client(token) };
    },
    async writePast(...statements) {
      await sallyport.stop();
      const db = await openDatabase(
        databaseOf(config, () => undefined),
        silentLog,
      );
      for (const statement of statements) await db.write((tx) => sql.raw(statement).execute(tx));
      await db.close();
      sallyport = await compose(config, silentLog, () => undefined);
      await sallyport.start({ localAgent: true });
    },
    async close() {
      await sallyport.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A project of one service with one build step and what else a test says, committed and added. */
export async function addRepository(
  { ada, directory }: Fortress,
  project: string,
  definition: string,
): Promise<{ repository: Repository; key: SshKey }> {
  const key = createSshKey();
  const empty = mkdtempSync(join(directory, 'template-'));
  const repository = createRepository(join(directory, project), empty, {
    name: 'Ada',
    email: 'ada@example.com',
    key,
  });
  repository.write('sallyport.yaml', definition);
  repository.commit('Begin');
  await ada.repositories.add(project, {
    name: 'orders',
    source: repository.directory,
    allowedSigners: `ada@example.com namespaces="git" ${key.publicLine}\n`,
    pollSeconds: 0,
  });
  return { repository, key };
}

export const definitionWith = (step: string, environments: string, verify = ''): string => `version: 1
service: orders
triggers: { push: [main], tag: ["v*"], pull_request: untrusted }
build:
  image: host
  steps:
    - { name: make, run: make${step} }
  artifacts: [{ name: app, type: oci, paths: [dist], base: host, command: [./app] }]
${verify}environments:
${environments}`;

export const isolation = {
  executor: 'bubblewrap',
  version: '0.8.0',
  namespaces: ['net'],
  seccomp: true,
  noNewPrivileges: true,
  capabilitiesDropped: true,
  nestedUserNamespaces: 'blocked',
  memoryLimit: 'none',
  processLimit: 'none',
  cpuLimit: 'none',
  diskLimit: 'none',
} as const;

/** One leased build, spoken for by hand. */
export interface Job {
  readonly grant: JobGrant;
  readonly headers: { readonly 'sallyport-lease': string };
  step(name: string): Promise<StepGrant>;
  log(name: string, offset: number, text: string | Uint8Array): Promise<number>;
  finishStep(name: string, log: Uint8Array | string, more?: Partial<StepReport>): Promise<void>;
  finish(report: JobReport): Promise<void>;
}

export async function lease(client: Client): Promise<Job> {
  const { json } = client.transport;
  const grant = await json<JobGrant>('POST', '/api/agent/jobs/lease', { body: { waitSeconds: 10 } });
  const headers = { 'sallyport-lease': grant.leaseToken };
  const { runId } = grant;
  return {
    grant,
    headers,
    step: (name) => json('POST', path`/api/agent/jobs/${runId}/steps/${name}/grant`, { headers }),
    log: async (name, offset, text) =>
      (
        await json<{ offset: number }>('POST', path`/api/agent/jobs/${runId}/steps/${name}/log`, {
          headers,
          query: { offset },
          bytes: new Uint8Array(Buffer.from(text)),
        })
      ).offset,
    finishStep: (name, log, more = {}) => {
      const bytes = Buffer.from(log);
      const at = new Date().toISOString();
      const report: StepReport = {
        outcome: 'succeeded',
        startedAt: at,
        finishedAt: at,
        logDigest: digestOf(bytes),
        logBytes: bytes.length,
        logTruncated: false,
        egress: [],
        isolation: { ...isolation, namespaces: [...isolation.namespaces] },
        ...more,
      };
      return json('POST', path`/api/agent/jobs/${runId}/steps/${name}/finish`, { headers, body: report });
    },
    finish: (report) => json('POST', path`/api/agent/jobs/${runId}/finish`, { headers, body: report }),
  };
}

/** Pushes an image of one file; `layer` takes the place of its only layer. */
export async function pushImage(
  client: Client,
  repository: string,
  content: string,
  layer: Uint8Array = gzipSync(
    writeTar([{ type: 'file', path: 'app/app', mode: 0o755, mtimeSeconds: 0, body: utf8(content) }]),
  ),
): Promise<Digest> {
  const config = utf8(
    canonicalJson({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
    }),
  );
  for (const blob of [config, layer]) await pushBlob(client, repository, blob);
  return pushManifest(client, repository, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: mediaTypes.ociConfig, digest: digestOf(config), size: config.length },
    layers: [{ mediaType: mediaTypes.ociLayerGzip, digest: digestOf(layer), size: layer.length }],
  });
}

export async function pushBlob({ transport }: Client, repository: string, blob: Uint8Array): Promise<Digest> {
  const digest = digestOf(blob);
  await transport.raw('POST', `/v2/${repository}/blobs/uploads/`, {
    query: { digest },
    bytes: Uint8Array.from(blob),
  });
  return digest;
}

export async function pushManifest(
  { transport }: Client,
  repository: string,
  manifest: object,
  reference?: string,
): Promise<Digest> {
  const bytes = utf8(canonicalJson(manifest));
  const digest = digestOf(bytes);
  await transport.raw('PUT', `/v2/${repository}/manifests/${reference ?? digest}`, {
    headers: { 'content-type': mediaTypes.ociManifest },
    bytes: Uint8Array.from(bytes),
  });
  return digest;
}

/** A build that ends well, of whatever the repository's ref is at. */
export async function buildBy(
  fortress: Fortress,
  project: string,
  content: string,
  request: { readonly ref?: string; readonly commit?: string } = {},
): Promise<{ run: RunView; digest: Digest }> {
  const { id } = await fortress.ada.runs.start(project, { repository: 'orders', ...request });
  const job = await lease(fortress.agent);
  for (const { name } of job.grant.definition.build.steps) {
    await job.step(name);
    await job.finishStep(name, '');
  }
  for (const { name } of job.grant.definition.verify ?? []) {
    await job.step(name);
    await job.finishStep(name, '');
  }
  const digest = await pushImage(fortress.agent, job.grant.ociRepository, content);
  await job.finish({ outcome: 'succeeded', image: { digest, sizeBytes: 1 }, materials: [] });
  return { run: await ended(fortress.ada, project, id), digest };
}

export async function ended(client: Client, project: string, runId: string): Promise<RunView> {
  for (let tries = 0; tries < 300; tries += 1) {
    const { run } = await client.runs.get(project, runId);
    if (['succeeded', 'failed', 'cancelled'].includes(run.state)) return run;
    await sleep(100);
  }
  throw new Error(`run ${runId} does not end`);
}
