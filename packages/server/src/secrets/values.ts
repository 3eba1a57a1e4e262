import { Fault, type SecretBytes } from '@sallyport/formats';
import type { Keyring } from '#keyring';
import type { Actor, Audit, AuditedTable, Clock, Db, Ids, Json, Tx } from '#platform';
import {
  checkAddress,
  checkKey,
  checkMount,
  type SecretAddress,
  scopeOf,
  secretResource,
  valueAddress,
} from './address.ts';
import { secretStore } from './store.pg.ts';
import type { SecretVersion, StoredValue } from './store.ts';

/** The part of the keyring that values need. */
export type ValueKeyring = Pick<Keyring, 'encrypt' | 'decrypt' | 'addHolder'>;

export interface PutSecret extends SecretAddress {
  readonly data: Readonly<Record<string, SecretBytes>>;
  /** The version the caller believes to be current (0: none yet); another one refuses the write. */
  readonly cas?: number;
}

export interface Values {
  /** Adds a version with exactly these keys. The plaintexts stay the caller's, to wipe. */
  put(actor: Actor, secret: PutSecret): Promise<{ readonly version: number }>;
  /** The values of a version, the current one when absent; recorded durably before they are returned (invariant 3). */
  get(
    actor: Actor,
    address: SecretAddress & { readonly version?: number },
  ): Promise<{ readonly version: number; readonly data: Readonly<Record<string, SecretBytes>> }>;
  list(
    actor: Actor,
    at: { readonly project: string; readonly environment: string; readonly prefix?: string },
  ): Promise<ReadonlyArray<{ readonly path: string; readonly version: number }>>;
  versions(address: SecretAddress): Promise<readonly SecretVersion[]>;
}

const maxKeys = 100;
const maxValueBytes = 65_536;

export function createValues(deps: {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly keyring: ValueKeyring;
}): Values {
  const { db, audit, clock, ids, keyring } = deps;

  return {
    put: async (actor, secret) => {
      checkAddress(secret);
      const entries = checkData(secret.data);
      return await db.write(async (tx) => {
        const current = await secretStore.lock(tx, secret);
        if (secret.cas !== undefined && secret.cas !== current)
          throw new Fault(
            'conflict',
            'secrets.version_conflict',
            `expected version ${secret.cas} to be current, found ${current}`,
            { hint: 'read the secret again and decide with its new value', details: { current } },
          );
        const version = current + 1;
        const values: StoredValue[] = [];
        for (const [key, value] of entries)
          values.push({
            id: ids.next('sec'),
            key,
            record: await keyring.encrypt(tx, scopeOf(secret), valueAddress(secret, key, version), value),
          });
        await secretStore.addVersion(
          tx,
          secret,
          { version, createdBy: actor.id, createdAt: clock.now() },
          values,
        );
        await audit.record(tx, {
          type: 'secrets.secret.written',
          actor,
          resource: secretResource(secret),
          state: secretState(secret, await secretStore.versions(tx, secret)),
        });
        return { version };
      });
    },

    async get(actor, address) {
      checkAddress(address);
      let data: Readonly<Record<string, SecretBytes>> = {};
      try {
        return await db.write(async (tx) => {
          wipeAll(data);
          const version = address.version ?? (await secretStore.currentVersion(tx, address));
          const values = version === undefined ? [] : await secretStore.values(tx, address, version);
          if (version === undefined || values.length === 0) throw unknownSecret(address);
          // In this transaction, and the answer leaves only after it is durable.
          await audit.record(tx, {
            type: 'secrets.secret.read',
            actor,
            resource: secretResource(address),
            detail: { version },
          });
          data = await openAll(tx, keyring, address, version, values);
          return { version, data };
        });
      } catch (error) {
        wipeAll(data);
        throw error;
      }
    },

    async list(_actor, { project, environment, prefix }) {
      checkMount(project, environment);
      return await db.read((tx) => secretStore.list(tx, { project, environment }, prefix ?? ''));
    },

    async versions(address) {
      checkAddress(address);
      const found = await db.read((tx) => secretStore.versions(tx, address));
      if (found.length === 0) throw unknownSecret(address);
      return found;
    },
  };
}

/** Decrypts values of one version; if one fails, those already open are wiped. */
export async function openAll(
  tx: Tx,
  keyring: ValueKeyring,
  address: SecretAddress,
  version: number,
  values: readonly StoredValue[],
): Promise<Readonly<Record<string, SecretBytes>>> {
  const open: Record<string, SecretBytes> = Object.create(null);
  try {
    for (const { key, record } of values)
      open[key] = await keyring.decrypt(tx, scopeOf(address), valueAddress(address, key, version), record);
    return open;
  } catch (error) {
    wipeAll(open);
    throw error;
  }
}

export function wipeAll(data: Readonly<Record<string, SecretBytes>>): void {
  for (const secret of Object.values(data)) secret.wipe();
}

function checkData(
  data: Readonly<Record<string, SecretBytes>>,
): ReadonlyArray<readonly [string, SecretBytes]> {
  const entries = Object.entries(data);
  if (entries.length === 0 || entries.length > maxKeys)
    throw new Fault(
      'invalid',
      'secrets.data_invalid',
      `expected 1 to ${maxKeys} keys, got ${entries.length}`,
    );
  for (const [key, value] of entries) {
    checkKey(key);
    if (value.sizeBytes > maxValueBytes)
      throw new Fault(
        'invalid',
        'secrets.data_invalid',
        `expected at most ${maxValueBytes} bytes for "${key}", got ${value.sizeBytes}`,
      );
  }
  return entries;
}

/** What the ledger knows of a secret: which versions there are, with which keys, by whom. No ciphertext: rewrap changes it. */
function secretState(address: SecretAddress, versions: readonly SecretVersion[]): Json {
  return {
    project: address.project,
    environment: address.environment,
    path: address.path,
    versions: versions.map((each) => ({
      version: each.version,
      keys: each.keys,
      createdBy: each.createdBy,
      createdAt: each.createdAt.toISOString(),
    })),
  };
}

export function secretTable(): AuditedTable {
  return {
    kind: 'secret',
    states: async (tx) =>
      (await secretStore.listAll(tx)).map(
        (each) => [secretResource(each), secretState(each, each.versions)] as const,
      ),
  };
}

function unknownSecret(address: SecretAddress & { readonly version?: number }): Fault {
  const version = address.version === undefined ? '' : ` version ${address.version}`;
  return new Fault(
    'not_found',
    'secrets.secret_unknown',
    `expected a secret at "${address.path}"${version} in ${address.project}/${address.environment}, found none`,
  );
}
