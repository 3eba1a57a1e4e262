import { generateKeyPairSync, sign as signBytes } from 'node:crypto';
import type { Definition, DeployReport, Environment, Isolation } from '@sallyport/contract';
import { type Digest, digestOf, sha256, toHex, utf8 } from '@sallyport/formats';
import { createLedger, type Ledger, ledgerMigrations } from '#ledger';
import type { Actor, Audit, AuditedTable, Authorize, Db, Jobs, Migration, Tx } from '#platform';
import {
  createRevocations,
  createSigning,
  dependenciesStatement,
  type EvidenceSigner,
  provenanceStatement,
  type Revocations,
  runStatement,
  type Signing,
  sbomStatement,
  signingAudited,
  signingMigrations,
  sourceStatement,
  testResultStatement,
} from '#signing';
import { allowAll, countingIds, type FixedClock, fixedClock, silentLog } from '../../test-support/fakes.ts';
import { type FaultyDb, faultyDb } from './faulty-db.fixture.ts';
import { createRelease, type Release, releaseAudited, releaseMigrations } from './index.ts';

export const worldMigrations: readonly Migration[] = [
  ...ledgerMigrations,
  ...signingMigrations,
  ...releaseMigrations,
];

export function p256Signer(): EvidenceSigner {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKeySpki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
  return {
    keyId: toHex(sha256(publicKeySpki)),
    publicKeySpki,
    sign: (bytes) => new Uint8Array(signBytes('sha256', bytes, privateKey)),
  };
}

export function ed25519Signer(): EvidenceSigner {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const publicKeySpki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
  return {
    keyId: toHex(sha256(publicKeySpki)),
    publicKeySpki,
    sign: (bytes) => new Uint8Array(signBytes(null, bytes, privateKey)),
  };
}

export interface Wake {
  readonly queue: string;
  readonly id: string;
  readonly notBefore: Date;
}

export interface ManualJobs extends Jobs {
  drain(): Promise<number>;
  pending(): readonly string[];
  readonly wakes: Wake[];
}

/** Keeps wakes until `drain`, as the queue does until its next poll. */
export function manualJobs(clock: FixedClock, db: FaultyDb, wakes: Wake[] = []): ManualJobs {
  const handlers = new Map<string, (id: string) => Promise<void>>();
  return {
    wakes,
    wake: async (tx, queue, id, options = {}) => {
      if (!handlers.has(queue)) throw new Error(`queue ${queue} has no handler`);
      db.afterCommit(tx, () => wakes.push({ queue, id, notBefore: options.notBefore ?? new Date(0) }));
    },
    handle: (queue, handler) => {
      handlers.set(queue, handler);
    },
    every: () => undefined,
    start: async () => undefined,
    stop: async () => undefined,
    pending: () => wakes.map((wake) => wake.id),
    drain: async () => {
      let handled = 0;
      for (;;) {
        const due = wakes.find((wake) => wake.notBefore <= clock.now());
        if (due === undefined) return handled;
        await handlers.get(due.queue)?.(due.id);
        // Only now: a handler that throws is called again.
        wakes.splice(wakes.indexOf(due), 1);
        handled += 1;
      }
    },
  };
}

const uris = {
  installation: 'test',
  builderId: 'https://sallyport.example/builder/v1',
  verifierId: 'https://sallyport.example/verifier/v1',
};
export const repository = 'https://git.example/orders';
const target = (port: number) => ({ type: 'process', port }) as const;

export function definition(environments?: Record<string, Environment>): Definition {
  return {
    version: 1,
    triggers: { push: ['main'] },
    dependencies: { lockfiles: ['package-lock.json'] },
    build: {
      image: 'host',
      steps: [{ name: 'install', run: 'npm ci', network: 'registries' }],
      artifacts: [{ name: 'app', type: 'oci', paths: ['dist'], base: 'host', command: ['node'] }],
    },
    verify: [{ name: 'unit', run: 'npm test' }],
    environments: environments ?? {
      dev: { target: target(8080), promote: { auto: true } },
      stage: { target: target(8081), promote: { auto: true } },
      prod: {
        target: target(8082),
        promote: { soak: '1m', approvals: { min: 1, groups: ['release'], not: ['author', 'promoter'] } },
        rollback: { on: ['unhealthy', 'start_failed'], to: 'last_healthy' },
      },
    },
  };
}

export const imageOf = (name: string): Digest => digestOf(utf8(`image ${name}`));
export const agent: Actor = { kind: 'agent', id: 'agt_1', name: 'local', policies: ['agent'], groups: [] };
export const someone = (name: string, groups: readonly string[] = []): Actor => ({
  kind: 'person',
  id: `psn_${name}`,
  name,
  policies: [],
  groups,
});

export interface World {
  readonly db: Db;
  readonly clock: FixedClock;
  readonly jobs: ManualJobs;
  readonly ledger: Ledger;
  readonly signing: Signing;
  readonly revocations: Revocations;
  readonly release: Release;
  readonly attached: string[];
  /** What `ledger verify` compares with. */
  audited(): readonly AuditedTable[];
}

export interface WorldOptions {
  readonly db: Db | FaultyDb;
  readonly audit?: (real: Audit) => Audit;
  readonly signing?: (real: Signing) => Signing;
  readonly authorize?: Authorize;
  readonly signer?: () => Promise<EvidenceSigner>;
  readonly world?: Pick<World, 'clock' | 'ledger' | 'jobs'>;
}

const evidenceKey = p256Signer();
const logKey = ed25519Signer();
const ids = countingIds();

/** The real contexts on a real database; only the clock, the queue's timing and the registry are ours. */
export function createWorld(options: WorldOptions): World {
  const db = 'afterCommit' in options.db ? options.db : faultyDb(options.db);
  const clock = options.world?.clock ?? fixedClock('2026-11-20T10:00:00.000Z');
  const jobs = manualJobs(clock, db, options.world?.jobs.wakes);
  const origin = 'log.example';
  const ledger =
    options.world?.ledger ??
    createLedger({ db: db.real, clock, ids, signer: logKey, origin, log: silentLog });
  const audit = options.audit?.(ledger) ?? ledger;
  const attached: string[] = [];
  const realSigning = createSigning({
    db,
    audit,
    clock,
    ids,
    ledger,
    signer: options.signer ?? (async () => evidenceKey),
    attach: async (ociRepository, subject, predicateType) => {
      attached.push(`${ociRepository} ${subject} ${predicateType}`);
    },
    identityUris: {
      ...uris,
      log: { origin, baseUrl: 'https://log.example/', publicKeySpki: logKey.publicKeySpki },
    },
  });
  const signing = options.signing?.(realSigning) ?? realSigning;
  const revocations = createRevocations({ db, audit, clock, ids, ledger, signing, validSeconds: 86_400 });
  const release = createRelease({
    db,
    audit,
    clock,
    ids,
    jobs,
    signing,
    revocations,
    authorize: options.authorize ?? allowAll,
    personOf: async (email) => (email.endsWith('@known.example') ? `psn_${email.split('@')[0]}` : undefined),
    eventsOf: async (resource, limit) => (await ledger.eventsOf(resource, limit)).events,
    agrees: ledger.agrees,
  });
  const audited = (): AuditedTable[] => [...releaseAudited(), ...signingAudited()];
  return { db, clock, jobs, ledger, signing, revocations, release, attached, audited };
}

export async function declare(
  { db, release }: World,
  declared = definition(),
  service = 'orders',
): Promise<void> {
  await db.write((tx: Tx) =>
    release.declare(tx, {
      project: 'shop',
      service,
      ociRepository: `shop/${service}`,
      repository,
      definition: declared,
      definitionDigest: digestOf(utf8(JSON.stringify(declared))),
    }),
  );
}

const times = { startedAt: '2026-11-20T09:00:00Z', finishedAt: '2026-11-20T09:01:00Z' };
const commit = 'c'.repeat(40);
const isolation: Isolation = {
  executor: 'bubblewrap',
  version: '0.8.0',
  namespaces: ['net', 'pid'],
  seccomp: true,
  noNewPrivileges: true,
  capabilitiesDropped: true,
  nestedUserNamespaces: 'blocked',
  memoryLimit: 'cgroup',
  processLimit: 'cgroup',
  cpuLimit: 'cgroup',
  diskLimit: 'watched',
};

export interface RunShown {
  readonly image: string;
  readonly runId: string;
  readonly trusted?: boolean;
  readonly project?: string;
  readonly service?: string;
  readonly repository?: string;
  readonly commit?: string;
  readonly outcome?: 'succeeded' | 'failed';
  /** Verify steps that passed; `unit` when absent. */
  readonly tests?: readonly string[];
  readonly signed?: boolean;
  readonly signer?: string;
  readonly dependencies?: Partial<Parameters<typeof dependenciesStatement>[0]>;
}

/** All evidence of one good run about `name`, as the pipeline would seal it. */
export async function build(
  world: Pick<World, 'signing'>,
  name: string,
  service = 'orders',
): Promise<Digest> {
  return sealRun(world, { image: name, runId: `run_${name}`, service });
}

/** All evidence of a run that was good, but for what is said. */
export async function sealRun({ signing }: Pick<World, 'signing'>, shown: RunShown): Promise<Digest> {
  const { image, runId, trusted = true, project = 'shop', service = 'orders' } = shown;
  const { outcome = 'succeeded', tests = ['unit'], signed = true, signer = 'a@b' } = shown;
  const digest = imageOf(image);
  const place = { project, service };
  const source = {
    repository: shown.repository ?? repository,
    ref: trusted ? 'refs/heads/main' : 'refs/pull/7/head',
    commit: shown.commit ?? commit,
    trust: trusted ? 'trusted' : 'untrusted',
    trigger: trusted ? 'push' : 'pull_request',
  } as const;
  const definitionDigest = digestOf(utf8('definition'));
  const logDigest = digestOf(utf8('log'));
  const statements = {
    provenance: provenanceStatement({
      builderId: uris.builderId,
      runId,
      attempt: 1,
      parameters: { ...place, ...source, definition: { path: 'sallyport.yaml', digest: definitionDigest } },
      sourceDigest: digestOf(utf8('source')),
      agent: { id: 'agt_1', version: '0.1.0' },
      ...times,
      steps: [{ name: 'install', phase: 'build', network: 'registries', logDigest, isolation, egress: [] }],
      materials: [],
    }),
    run: runStatement({
      ...place,
      runId,
      attempt: 1,
      ...source,
      definitionDigest,
      outcome,
      ...times,
      steps: [],
    }),
    source: sourceStatement({
      project,
      repository: source.repository,
      ref: source.ref,
      commit: source.commit,
      signed,
      ...(signed ? { signer } : {}),
      committedAt: times.startedAt,
    }),
    ...Object.fromEntries(
      tests.map((step) => [`test/${step}`, testResultStatement({ runId, step, passed: true, logDigest })]),
    ),
    sbom: sbomStatement({ bomFormat: 'CycloneDX', specVersion: '1.6', components: [] }),
    dependencies: dependenciesStatement({
      ...place,
      runId,
      lockfiles: [],
      locked: 1,
      fetched: 1,
      verified: 1,
      mismatches: 0,
      notInLock: 0,
      notFetched: 0,
      complete: true,
      sbomMatchesFetched: true,
      findings: [],
      ...shown.dependencies,
    }),
  };
  for (const [key, content] of Object.entries(statements)) {
    await signing.seal({
      key: `${runId}/${key}`,
      subject: { name: `${project}/${service}`, digest },
      ...content,
    });
  }
  return digest;
}

export function offer({ release }: World, name: string, email = 'author@known.example') {
  return release.offer({
    project: 'shop',
    service: 'orders',
    digest: imageOf(name),
    commit,
    runId: `run_${name}`,
    author: { email },
  });
}

export function place(environment: string, service = 'orders') {
  return { project: 'shop', service, environment };
}

export function healthy(world: World, environment: string, name: string, more: Partial<DeployReport> = {}) {
  return world.release.report(agent, {
    ...place(environment),
    revision: 1,
    digest: imageOf(name),
    sync: 'Synced',
    health: 'Healthy',
    findings: [],
    restarts: 0,
    observedAt: world.clock.now().toISOString(),
    ...more,
  });
}
