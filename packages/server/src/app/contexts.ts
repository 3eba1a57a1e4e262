import { join } from 'node:path';
import { createIdentity, identityAudited, identityMigrations } from '#identity';
import { journalMigrations } from '#journal';
import { type Keyring, keyringMigrations } from '#keyring';
import { createLedger, ledgerMigrations } from '#ledger';
import { createPipeline, pipelineAudited, pipelineMigrations } from '#pipeline';
import {
  type Audit,
  type Clock,
  type Config,
  createHttp,
  createJobs,
  type Database,
  type HttpServer,
  type Ids,
  type Listener,
  type Log,
  type Random,
} from '#platform';
import { createAccessTokens, createRegistry, registryAudited, registryMigrations } from '#registry';
import { createRelease, releaseAudited, releaseMigrations } from '#release';
import { createSecrets, secretsAudited, secretsMigrations } from '#secrets';
import {
  authorityAudited,
  createRevocations,
  createSigning,
  createTimestamps,
  createTrust,
  federationAudited,
  signingAudited,
  signingMigrations,
  timestampsAudited,
  trustAudited,
} from '#signing';
import { type Sys, type Vault, vaultMigrations } from '#vault';
import { createAttach } from './attach.ts';
import { createCertificates } from './certificates.ts';
import { declaredConsumers } from './declared-consumers.ts';
import { mountRoutes } from './http.ts';
import { createJourney } from './journey.ts';
import { enrolLocalAgent } from './local-agent.ts';
import { createLogServices } from './log-services.ts';
import { openRecords } from './open-records.ts';
import { createTimers } from './timers.ts';
import { version } from './version.ts';

/** What stands whether the server is sealed or not, and what everything else is built on. */
export interface Ground {
  readonly config: Config;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: Ids;
  readonly db: Database;
  readonly audit: Audit;
  /** Open: its keys are in memory. */
  readonly keyring: Keyring;
  readonly listener: Listener;
}

export interface Opened {
  readonly http: HttpServer;
  readonly vault: Vault;
  start(options: { readonly localAgent: boolean }): Promise<{ readonly bootstrapToken?: string }>;
  /** Finishes requests in flight, then the queue, the journal and the ledger, in this order. */
  stop(): Promise<void>;
}

/**
 * Builds every context that needs keys, from left to right in the order they may know each other. Nothing runs before
 * `start`. Sealing stops all of it, and unsealing builds it anew.
 */
export async function openContexts(ground: Ground, sys: Sys): Promise<Opened> {
  const { config, log, clock, random, ids, db, keyring, listener } = ground;
  const logSigner = await keyring.signer('log');
  const ledger = createLedger({ db, clock, ids, signer: logSigner, origin: config.ledgerOrigin, log });
  const jobs = createJobs(db, log);
  const { journal, vault } = await openRecords(ground, { audit: ledger, sealedEvents: ledger.eventsOf }, sys);
  const identity = createIdentity({
    db,
    audit: ledger,
    clock,
    random,
    ids,
    oidcSigner: await keyring.signer('oidc'),
    issuer: config.publicUrl,
  });
  const secrets = createSecrets({ db, audit: ledger, clock, ids, log, keyring, identity, vault });
  await secrets.open();
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
  const certificates = createCertificates(ground, { identity, ledger });
  const { rekor, witnessing, witness } = await createLogServices(ground, {
    ledger,
    logSigner,
    signing,
    issuers: certificates.authority.intermediates,
  });
  const timestamps = createTimestamps({
    db,
    audit: ledger,
    clock,
    random,
    ledger,
    signer: (number) => keyring.signer(`tsa-${number}`),
    rootSigner: () => keyring.signer('tsa-root'),
    installation: config.installation,
    publicUrl: config.publicUrl,
  });
  const trust = createTrust({
    db,
    audit: ledger,
    clock,
    ledger,
    installation: config.installation,
    trustRoot: signing.trustRoot,
    material: [rekor.material, timestamps.material, certificates.authority.material],
    targetsSigner: (number) => keyring.signer(`tuf-targets-${number}`),
    onlineSigner: (number) => keyring.signer(`tuf-online-${number}`),
  });
  const revocations = createRevocations({
    ...{ db, audit: ledger, clock, ids, ledger, signing },
    validSeconds: config.revocationValidSeconds,
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
    revocations,
    buildLevel: config.buildPlatform === 'hosted' ? 'SLSA_BUILD_LEVEL_2' : 'SLSA_BUILD_LEVEL_1',
    authorize: identity.authorize,
    personOf: async (email) => (await identity.findPersonByEmail(email))?.id,
    eventsOf: async (resource, limit) => (await ledger.eventsOf(resource, limit)).events,
    agrees: ledger.agrees,
  });
  vault.inventory.learnServices(declaredConsumers(release));
  const journey = createJourney({ db, log, jobs, pipeline, registry, signing, release });
  jobs.every('ledger.witness', 2, async () => {
    await witnessing.advance();
  });
  jobs.every('keyring.rewrap', 60, async () => {
    await keyring.rewrapSome();
  });
  // Wakes already bring everything to its end; these find what a lost wake or a long outage left.
  jobs.every('signing.resume', 60, async () => {
    await signing.resume();
  });
  jobs.every('signing.trust', 60, async () => {
    await trust.renew();
  });
  jobs.every('signing.revocations', 5, async () => {
    await revocations.current();
  });
  jobs.every('release.resume', 60, async () => {
    await release.resume();
  });
  const journalTimers = createTimers(log);
  journalTimers.every('journal.archive', 5, () => journal.archive());
  journalTimers.every('vault.own-work', 1, () => vault.ownWork.some());
  journalTimers.every('vault.rewrap', 60, () => vault.ownWork.rewrap());
  journalTimers.every('vault.sightings', 5, () => vault.sightings.store());
  journalTimers.every('vault.sightings.recover', 20, () => vault.sightings.recover());
  journalTimers.every('vault.sightings.tidy', 3600, () => vault.sightings.tidy());
  jobs.every('registry.garbage', 3600, async () => {
    await registry.collectGarbage({ olderThanSeconds: 24 * 3600 });
  });

  const audited = [
    ...keyring.audited(),
    ...identityAudited(),
    ...secretsAudited(),
    ...registryAudited(),
    ...signingAudited(),
    ...timestampsAudited(),
    ...trustAudited(),
    federationAudited(),
    authorityAudited(),
    ...pipelineAudited(),
    ...releaseAudited(),
  ];
  const systemCipher = await keyring.cipher('system');
  const registryTokens = createAccessTokens({
    seal: {
      seal: (plaintext) => systemCipher.seal('registry/access-token', plaintext),
      open: (sealed) => systemCipher.open('registry/access-token', sealed),
    },
    authenticate: identity.authenticate,
    authorize: identity.authorize,
    clock,
    realm: `${config.publicUrl}/v2/token`,
    service: config.installation,
  });
  const http = await createHttp({
    authenticate: identity.authenticate,
    authorize: identity.authorize,
    log,
    ids,
    listener,
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
    journal,
    vault,
    identity,
    secrets,
    ledger,
    registry,
    registryTokens,
    signing,
    timestamps,
    trust,
    rekor,
    rekorWriters: config.rekorWriters,
    witnessing,
    witness,
    revocations,
    certificates,
    pipeline,
    release,
    audited: () => audited,
  });

  return {
    http,
    vault,
    async start({ localAgent }) {
      ledger.start();
      await jobs.start();
      await journey.resume();
      await vault.sightings.begin();
      journalTimers.start();
      const bootstrap = await identity.bootstrap();
      if (localAgent) await enrolLocalAgent(identity, join(config.dataDirectory, 'agent-token'));
      await http.listen();
      return bootstrap === undefined ? {} : { bootstrapToken: bootstrap.exposeUtf8() };
    },
    async stop() {
      await http.stop();
      await journalTimers.stop();
      await jobs.stop();
      await vault.close();
      await journal.close();
      await ledger.stop();
    },
  };
}

export const migrations = [
  ...keyringMigrations,
  ...ledgerMigrations,
  ...journalMigrations,
  ...vaultMigrations,
  ...identityMigrations,
  ...secretsMigrations,
  ...registryMigrations,
  ...signingMigrations,
  ...pipelineMigrations,
  ...releaseMigrations,
];
