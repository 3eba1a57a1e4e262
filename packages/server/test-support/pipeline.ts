import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobGrant, JobReport, StepReport } from '@sallyport/contract';
import { digestOf, SecretBytes, utf8 } from '@sallyport/formats';
import { createIdentity, identityMigrations } from '#identity';
import { createKeyring, fileSeal, keyringMigrations } from '#keyring';
import {
  createPipeline,
  type LeaseClaim,
  type Pipeline,
  type PipelineDeps,
  pipelineMigrations,
} from '#pipeline';
import type { Actor, Db, Jobs, Tx } from '#platform';
import { createSecrets, secretsMigrations } from '#secrets';
import { openTestDb } from './database.ts';
import {
  countingIds,
  type FixedClock,
  fixedClock,
  person,
  type RecordingAudit,
  recordingAudit,
  seededRandom,
  silentLog,
} from './fakes.ts';
import { openTestRecords, recordsMigrations } from './records.ts';

/** A pipeline on real parts: database, keyring, secrets, identity, git. Only time, chance and the queue are held. */
export interface PipelineFixture {
  readonly db: Db;
  readonly clock: FixedClock;
  readonly audit: RecordingAudit;
  readonly deps: PipelineDeps;
  readonly pipeline: Pipeline;
  readonly agent: Actor;
  readonly admin: Actor;
  /** Ids that were woken, as `queue id`. */
  readonly wakes: string[];
  readonly source: GitSource;
  close(): Promise<void>;
}

export interface GitSource {
  readonly path: string;
  readonly allowedSigners: string;
  git(...args: string[]): string;
  /** Writes files, commits them signed, gives the commit. */
  commit(files: Readonly<Record<string, string>>, message?: string): string;
}

const integration = `  - name: integration
    run: ./it.sh
    network: allowlist
    egress: ["api.example.com:443"]
    secrets: { API_KEY: "stripe/test#api_key" }
`;
export const definitionText = `version: 1
service: orders
triggers: { push: [main, "feature/*"], tag: ["v*"], pull_request: untrusted }
build:
  image: host
  steps:
    - { name: install, run: npm ci, network: registries }
    - { name: compile, run: npm run build }
  artifacts: [{ name: app, type: oci, paths: [dist], base: scratch, command: [node, dist/main.js] }]
verify:
  - { name: unit, run: npm test }
${integration}environments:
  zulu: { target: { type: process, port: 4001 }, promote: { auto: true } }
  alpha: { target: { type: process, port: 4002 }, promote: { from: zulu } }
`;

export const secretValue = 'sk_test_0123456789';

export async function openPipeline(): Promise<PipelineFixture> {
  const root = mkdtempSync(join(tmpdir(), 'sallyport-pipeline-'));
  const test = await openTestDb([
    ...keyringMigrations,
    ...recordsMigrations,
    ...secretsMigrations,
    ...identityMigrations,
    ...pipelineMigrations,
  ]);
  const { db } = test;
  const clock = fixedClock(new Date());
  const audit = recordingAudit();
  const ids = countingIds();
  const random = seededRandom();
  const keyring = createKeyring({
    db,
    audit,
    clock,
    random,
    ids,
    seal: fileSeal(join(root, 'root.key'), seededRandom(2)),
    log: silentLog,
  });
  await keyring.open();
  const records = await openTestRecords({ db, audit, keyring, clock, directory: join(root, 'records') });
  const issuer = 'https://sallyport.test';
  const identity = createIdentity({
    db,
    audit,
    clock,
    random,
    ids,
    oidcSigner: await keyring.signer('oidc'),
    issuer,
  });
  const { vault } = records;
  const secrets = createSecrets({ db, audit, clock, ids, log: silentLog, keyring, identity, vault });
  const admin = person('admin');
  await secrets.put(admin, {
    project: 'shop',
    environment: 'build',
    path: 'stripe/test',
    data: { api_key: SecretBytes.fromUtf8(secretValue) },
  });
  const wakes: string[] = [];
  const jobs: Jobs = {
    wake: async (_tx: Tx, queue, id) => {
      wakes.push(`${queue} ${id}`);
    },
    handle: () => undefined,
    every: () => undefined,
    start: async () => undefined,
    stop: async () => undefined,
  };
  const directory = join(root, 'data');
  const deps = {
    db,
    audit,
    clock,
    ids,
    random,
    jobs,
    log: silentLog,
    identity,
    secrets,
    directory,
    audience: issuer,
  };
  return {
    db,
    clock,
    audit,
    deps,
    pipeline: createPipeline(deps),
    agent: { kind: 'agent', id: 'agt_1', name: 'agent one', policies: [], groups: [] },
    admin,
    wakes,
    source: openSource(root),
    async close() {
      await records.close();
      await keyring.close();
      await test.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function openSource(root: string): GitSource {
  const path = join(root, 'source');
  const key = join(root, 'key');
  mkdirSync(path);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', key]);
  const who = { NAME: 'Ann', EMAIL: 'ann@example.com' };
  const git = (...args: string[]): string =>
    execFileSync('git', ['-c', 'gpg.format=ssh', '-c', `user.signingkey=${key}`, ...args], {
      cwd: path,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: {
        PATH: process.env['PATH'],
        HOME: root,
        ...Object.fromEntries(
          Object.entries(who).flatMap(([name, value]) => [
            [`GIT_AUTHOR_${name}`, value],
            [`GIT_COMMITTER_${name}`, value],
          ]),
        ),
      },
    }).trim();
  git('init', '-q', '-b', 'main');
  return {
    path,
    git,
    allowedSigners: `ann@example.com ${readFileSync(`${key}.pub`, 'utf8').trim()}\n`,
    commit(files, message = 'change') {
      for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
      git('add', '-A');
      git('commit', '-q', '-S', '--allow-empty', '-m', message);
      return git('rev-parse', 'HEAD');
    },
  };
}

export const claimOf = (agent: Actor, grant: JobGrant): LeaseClaim => ({
  agent,
  runId: grant.runId,
  token: grant.leaseToken,
});

const isolation: StepReport['isolation'] = {
  executor: 'bubblewrap',
  version: '0.8.0',
  namespaces: ['pid'],
  seccomp: true,
  noNewPrivileges: true,
  capabilitiesDropped: true,
  nestedUserNamespaces: 'blocked',
  memoryLimit: 'cgroup',
  processLimit: 'cgroup',
  cpuLimit: 'cgroup',
  diskLimit: 'watched',
};

export const stepReport = (log: string, more: Partial<StepReport> = {}): StepReport => ({
  outcome: 'succeeded',
  exitCode: 0,
  startedAt: '2026-01-02T03:04:05Z',
  finishedAt: '2026-01-02T03:04:06Z',
  logDigest: digestOf(utf8(log)),
  logBytes: log.length,
  logTruncated: false,
  egress: [],
  isolation,
  ...more,
});

export const jobReport = (): JobReport => ({
  outcome: 'succeeded',
  image: { digest: digestOf(utf8('image')), sizeBytes: 5 },
  materials: [{ uri: 'git', kind: 'source', digest: { sha1: '0'.repeat(40) } }],
});

/** What an agent does for one step that goes well. */
export async function runStep(
  pipeline: Pipeline,
  claim: LeaseClaim,
  step: string,
  log = `${step}\n`,
): Promise<void> {
  await pipeline.steps.grant(claim, step);
  await pipeline.steps.appendLog(claim, step, 0, utf8(log));
  await pipeline.steps.finish(claim, step, stepReport(log));
}
