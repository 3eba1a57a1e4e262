import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createIdentity, identityAudited, identityMigrations } from '#identity';
import { createKeyring, fileSeal, keyringMigrations } from '#keyring';
import { createAudit, createLedger, ledgerMigrations } from '#ledger';
import { createPipeline, pipelineAudited, pipelineMigrations } from '#pipeline';
import {
  type AuditedTable,
  type Config,
  createHttp,
  createIds,
  createJobs,
  databaseOf,
  type HttpServer,
  type Log,
  openDatabase,
  systemClock,
  systemRandom,
} from '#platform';
import { createRegistry, registryAudited, registryMigrations } from '#registry';
import { createRelease, releaseAudited, releaseMigrations } from '#release';
import { createSecrets, secretsAudited, secretsMigrations } from '#secrets';
import { createSigning, signingAudited, signingMigrations } from '#signing';
import { createAttach } from './attach.ts';
import { mountRoutes } from './http.ts';
import { createJourney } from './journey.ts';
import { enrolLocalAgent } from './local-agent.ts';
import { version } from './version.ts';

export interface Sallyport {
  readonly http: HttpServer;
  readonly audited: readonly AuditedTable[];
  start(options: { readonly localAgent: boolean }): Promise<Started>;
  /** Finishes requests in flight, then the queue, the ledger, the keys and the database, in this order. */
  stop(): Promise<void>;
}

export interface Started {
  readonly url: string;
  /** Only while no administrator exists. */
  readonly bootstrapToken?: string;
}

/** Builds every context once, from left to right in the order they may know each other. Nothing runs before `start`. */
export async function compose(
  config: Config,
  log: Log,
  onDatabaseStopped: (reason: string) => void,
): Promise<Sallyport> {
  await mkdir(config.dataDirectory, { recursive: true, mode: 0o700 });
  const [clock, random] = [systemClock, systemRandom];
  const ids = createIds({ clock, random });
  const db = await openDatabase(databaseOf(config, onDatabaseStopped), log);
  await db.migrate(migrations);
  const audit = createAudit({ clock, ids });

  const keyring = createKeyring({
    db,
    audit,
    clock,
    random,
    ids,
    seal: fileSeal(config.keyFile, random),
    log,
  });
  await keyring.open();
  const logSigner = await keyring.signer('log');
  const ledger = createLedger({ db, clock, ids, signer: logSigner, origin: config.ledgerOrigin, log });
  const jobs = createJobs(db, log);
  const identity = createIdentity({
    db,
    audit: ledger,
    clock,
    random,
    ids,
    oidcSigner: await keyring.signer('oidc'),
    issuer: config.publicUrl,
  });
  const secrets = createSecrets({ db, audit: ledger, clock, ids, keyring });
  const registry = createRegistry({ db, root: config.registryDirectory, clock, ids, audit: ledger });
  await registry.open();
  const signing = createSigning({
    db,
    audit: ledger,
    clock,
    ids,
    ledger,
    signer: () => keyring.signer('evidence'),
    attach: createAttach(registry),
    identityUris: {
      installation: config.installation,
      builderId: `https://sallyport.dev/installations/${config.installation}/builder/v1`,
      verifierId: `https://sallyport.dev/installations/${config.installation}/gates/v1`,
      log: {
        origin: config.ledgerOrigin,
        baseUrl: config.publicUrl,
        publicKeySpki: logSigner.publicKeySpki,
      },
    },
  });
  const pipeline = createPipeline({
    db,
    audit: ledger,
    clock,
    ids,
    random,
    jobs,
    log,
    identity,
    secrets,
    directory: join(config.dataDirectory, 'pipeline'),
    audience: config.publicUrl,
  });
  const release = createRelease({
    db,
    audit: ledger,
    clock,
    ids,
    jobs,
    signing,
    buildLevel: config.buildPlatform === 'hosted' ? 'SLSA_BUILD_LEVEL_2' : 'SLSA_BUILD_LEVEL_1',
    authorize: identity.authorize,
    personOf: async (email) => (await identity.findPersonByEmail(email))?.id,
    eventsOf: async (resource, limit) => (await ledger.eventsOf(resource, limit)).events,
    agrees: ledger.agrees,
  });
  const journey = createJourney({ db, log, jobs, pipeline, registry, signing, release });
  jobs.every('keyring.rewrap', 60, async () => {
    await keyring.rewrapSome();
  });
  // Wakes already bring everything to its end; these find what a lost wake or a long outage left.
  jobs.every('signing.resume', 60, async () => {
    await signing.resume();
  });
  jobs.every('release.resume', 60, async () => {
    await release.resume();
  });
  jobs.every('registry.garbage', 3600, async () => {
    await registry.collectGarbage({ olderThanSeconds: 24 * 3600 });
  });

  const audited = [
    ...keyring.audited(),
    ...identityAudited(),
    ...secretsAudited(),
    ...registryAudited(),
    ...signingAudited(),
    ...pipelineAudited(),
    ...releaseAudited(),
  ];
  const http = await createHttp({
    authenticate: identity.authenticate,
    authorize: identity.authorize,
    log,
    ids,
    health: { database: () => db.read(async () => undefined) },
    config: {
      host: config.listenHost,
      port: config.listenPort,
      version,
      graceSeconds: config.stopGraceSeconds,
      maxConnections: config.connectionLimit,
    },
  });
  mountRoutes(http, {
    db,
    clock,
    audit: ledger,
    keyring,
    identity,
    secrets,
    ledger,
    registry,
    signing,
    pipeline,
    release,
    audited: () => audited,
  });

  return {
    http,
    audited,
    async start({ localAgent }) {
      ledger.start();
      await jobs.start();
      await journey.resume();
      const bootstrap = await identity.bootstrap();
      if (localAgent) await enrolLocalAgent(identity, join(config.dataDirectory, 'agent-token'));
      const { url } = await http.listen();
      return { url, ...(bootstrap === undefined ? {} : { bootstrapToken: bootstrap.exposeUtf8() }) };
    },
    async stop() {
      await http.stop();
      await jobs.stop();
      await ledger.stop();
      await keyring.close();
      await db.close();
    },
  };
}

const migrations = [
  ...keyringMigrations,
  ...ledgerMigrations,
  ...identityMigrations,
  ...secretsMigrations,
  ...registryMigrations,
  ...signingMigrations,
  ...pipelineMigrations,
  ...releaseMigrations,
];
