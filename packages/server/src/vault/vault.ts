import { createSecretKey, randomUUID } from 'node:crypto';
import { Fault } from '@sallyport/formats';
import type { Journal, Turn } from '#journal';
import type { Clock, Db, Log, Random } from '#platform';
import { createAudited } from './audit/audited.ts';
import { createAuditRegistry } from './audit/registry.ts';
import type { AuditSettings } from './audit/settings.ts';
import type { Core } from './core.ts';
import { createEngines, type Engines } from './engines.ts';
import { createEnvironments, type Environments } from './environments/environments.ts';
import { auditSaltPath, fingerprintKeyPath, firstStart, mountSecret, tokenKeyPath } from './first-start.ts';
import { createInventory, type Inventory } from './inventory/inventory.ts';
import { createReaders } from './inventory/readers.ts';
import { createSightings, type Sightings } from './inventory/sightings.ts';
import { createKeyedHash } from './keyed-hash.ts';
import { createAsk } from './native/ask.ts';
import { createNativeSecrets, type NativeSecrets } from './native/secrets.ts';
import { createSignIn, type NativeSignIn } from './native/sign-in.ts';
import { createTakeOver, type TakeOver } from './native/take-over.ts';
import { createOwnWork, type OwnWork, ownDoing } from './own-work.ts';
import { createPipeline, type Pipeline } from './request/pipeline.ts';
import type { Sys } from './sys/ports.ts';
import { issueRoot } from './tokens/root.ts';
import { accessorOf } from './tokens/secret.ts';
import { findToken } from './tokens/tokens.ts';

export interface Vault {
  readonly pipeline: Pipeline;
  /** What is due by the clock, a portion of it; call it every second. */
  readonly ownWork: OwnWork;
  /** A token that may do everything; `chosen` for one that the operator names. */
  makeRootToken(chosen?: string): Promise<string>;
  /** As `vault server -dev`: versioned secrets at `secret/`, and a root token, which is kept if it is there already. */
  prepareDev(chosen?: string): Promise<string>;
  readonly environments: Environments;
  readonly inventory: Inventory;
  /** Who read which secret: to be stored every few seconds. */
  readonly sightings: Sightings;
  /** The same secrets, for other contexts of the server. */
  readonly secrets: NativeSecrets & TakeOver;
  readonly signIn: NativeSignIn;
  readonly audit: {
    /** What a text is in the lines of the journal. */
    hash(text: string): string;
    /** Opens files and connections of audit devices anew, after a log rotation. */
    reopen(): Promise<void>;
  };
  /** Forgets what engines keep in memory, and lets audit devices have what waits. Before the journal is closed. */
  close(): Promise<void>;
}

export interface VaultDeps {
  /** Open, and outliving the vault. */
  readonly journal: Journal;
  readonly db: Db;
  /** Whether no other process serves this database. */
  readonly alone: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly sys: Sys;
  readonly audit: AuditSettings;
  /** Made here unless a test brings others. */
  readonly engines?: Engines;
}

/** Reads what every request needs, and makes it on the first start of an installation. */
export async function openVault(deps: VaultDeps): Promise<Vault> {
  const { journal, db, alone, clock, random, log, sys } = deps;
  await journal.openScope('system');
  const { tokenKey, fingerprintKey, salt } = await journal.run((turn) => {
    firstStart(turn, random);
    const answer = {
      tokenKey: keyAt(turn, tokenKeyPath),
      fingerprintKey: keyAt(turn, fingerprintKeyPath),
      salt: keyAt(turn, auditSaltPath),
    };
    return { answer, audit: [] };
  });
  const engines = deps.engines ?? createEngines(random);
  const registry = createAuditRegistry({ journal, clock, log, settings: deps.audit, salt });
  const audited = createAudited(journal, registry);
  const core: Core = {
    random,
    uuid: randomUUID,
    tokenKey: createKeyedHash(tokenKey),
    fingerprintKey: createSecretKey(fingerprintKey),
    readers: createReaders(),
    backends: engines,
    audit: registry.devices,
    sys,
  };
  tokenKey.fill(0);
  fingerprintKey.fill(0);
  salt.fill(0);
  await registry.start();

  async function makeRootToken(chosen?: string): Promise<string> {
    return await audited((turn) => {
      const { token } = issueRoot(turn, core, chosen);
      return { answer: token, exchange: ownDoing('auth/token/root', {}, turn.now) };
    });
  }

  function isThere(token: string): boolean {
    return journal.peek((turn) => {
      const accessor = accessorOf(core.tokenKey, token);
      return accessor !== undefined && findToken(turn, accessor) !== undefined;
    });
  }

  const wallNow = () => clock.now().getTime();
  const sightings = createSightings({
    journal,
    db,
    clock,
    readers: core.readers,
    replica: randomUUID(),
    alone,
  });
  const shared = { journal, audited, db, clock, fingerprintKey: core.fingerprintKey };
  const ownWork = createOwnWork({ journal, engines, audited });
  return {
    pipeline: createPipeline({ journal, core, log, registry, wallNow }),
    ownWork: {
      ...ownWork,
      async some() {
        registry.follow();
        return await ownWork.some();
      },
    },
    audit: { hash: registry.hash, reopen: registry.reopen },
    environments: createEnvironments(shared),
    inventory: createInventory(shared),
    sightings,
    secrets: {
      ...createNativeSecrets(createAsk({ audited, core, wallNow })),
      ...createTakeOver({ journal, audited, core }),
    },
    signIn: createSignIn({ audited, core, wallNow }),
    makeRootToken,
    async prepareDev(chosen) {
      await audited((turn) => {
        mountSecret(turn);
        return { answer: undefined, exchange: ownDoing('sys/mounts/secret', {}, turn.now) };
      });
      return chosen !== undefined && isThere(chosen) ? chosen : await makeRootToken(chosen);
    },
    async close() {
      // What is lost is in the audit, and comes back with the next start.
      await sightings
        .store()
        .catch((error: unknown) => log.warn({ err: error }, 'readers of secrets were not stored'));
      engines.transit.wipe();
      await engines.transit.close();
      await registry.close();
      core.tokenKey.wipe();
    },
  };
}

function keyAt(turn: Turn, path: string): Buffer {
  const bytes = turn.space('system').get(path);
  if (bytes === undefined) {
    throw new Fault('integrity', 'vault.core_missing', `the record ${path} is missing`, {
      hint: 'the database was changed from outside; restore it from a backup',
    });
  }
  return bytes;
}
