import { Fault, type SecretBytes } from '@sallyport/formats';
import type { Actor } from '#platform';
import type { NativeSecrets } from '#vault';
import {
  checkAddress,
  checkKey,
  checkMount,
  isKey,
  mountOf,
  placeOf,
  type SecretAddress,
} from './address.ts';

export interface PutSecret extends SecretAddress {
  readonly data: Readonly<Record<string, SecretBytes>>;
  /** The version the caller believes to be current (0: none yet); another one refuses the write. */
  readonly cas?: number;
}

export interface SecretVersion {
  readonly version: number;
  /** The id of whoever wrote it, or what a client of Vault's interface is called. */
  readonly createdBy: string;
  readonly createdAt: Date;
  /** Sorted. */
  readonly keys: readonly string[];
}

/** All of them are audited, durably, before they resolve (invariant 3). */
export interface Values {
  /** Adds a version with exactly these keys. The plaintexts stay the caller's, to wipe. */
  put(actor: Actor, secret: PutSecret): Promise<{ readonly version: number }>;
  /** The values of a version, the current one when absent. */
  get(
    actor: Actor,
    address: SecretAddress & { readonly version?: number },
  ): Promise<{ readonly version: number; readonly data: Readonly<Record<string, SecretBytes>> }>;
  list(
    actor: Actor,
    at: { readonly project: string; readonly environment: string; readonly prefix?: string },
  ): Promise<ReadonlyArray<{ readonly path: string; readonly version: number }>>;
  /** Those that still have their values. */
  versions(actor: Actor, address: SecretAddress): Promise<readonly SecretVersion[]>;
}

const maxKeys = 100;
const maxValueBytes = 65_536;
const maxNameLength = 100;

export function createValues(vault: NativeSecrets): Values {
  return {
    async put(actor, secret) {
      checkAddress(secret);
      checkData(secret.data);
      const { data, cas } = secret;
      const written = await vault.write(actor, {
        ...placeOf(secret),
        data,
        ...(cas === undefined ? {} : { cas }),
      });
      if ('version' in written) return written;
      const current = written.conflictsWith;
      throw new Fault(
        'conflict',
        'secrets.version_conflict',
        `expected version ${cas} to be current, found ${current}`,
        { hint: 'read the secret again and decide with its new value', details: { current } },
      );
    },

    async get(actor, address) {
      checkAddress(address);
      const { version } = address;
      const found = await vault.read(actor, {
        ...placeOf(address),
        ...(version === undefined ? {} : { version }),
      });
      if (found === undefined) throw unknownSecret(address);
      try {
        requireOurs(found.data);
      } catch (error) {
        wipeAll(found.data);
        throw error;
      }
      return found;
    },

    async list(actor, { project, environment, prefix }) {
      checkMount(project, environment);
      return await vault.list(actor, {
        environment: mountOf({ project, environment }),
        prefix: prefix ?? '',
      });
    },

    async versions(actor, address) {
      checkAddress(address);
      const found = await vault.versions(actor, placeOf(address));
      if (found === undefined) throw unknownSecret(address);
      return found.map(({ version, createdBy, createdAt, keys }) => ({
        version,
        createdBy: createdBy.slice(0, maxNameLength),
        createdAt: new Date(createdAt),
        keys: keys.filter(isKey),
      }));
    },
  };
}

export function wipeAll(data: Readonly<Record<string, SecretBytes>>): void {
  for (const secret of Object.values(data)) secret.wipe();
}

function checkData(data: Readonly<Record<string, SecretBytes>>): void {
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
}

/** A client of Vault's interface may have written what ours has no form for; leaving it out would lose it silently. */
function requireOurs(data: Readonly<Record<string, SecretBytes>>): void {
  const entries = Object.entries(data);
  const wrong = entries.find(([key, value]) => !isKey(key) || value.sizeBytes > maxValueBytes);
  if (wrong === undefined && entries.length <= maxKeys) return;
  const what = wrong === undefined ? `${entries.length} keys` : `"${wrong[0].slice(0, 80)}"`;
  throw new Fault(
    'precondition',
    'secrets.foreign_shape',
    `expected at most ${maxKeys} plain keys with values of at most ${maxValueBytes} bytes, found ${what}`,
    { hint: "read it through Vault's interface, with which it was written" },
  );
}

function unknownSecret(address: SecretAddress & { readonly version?: number }): Fault {
  const version = address.version === undefined ? '' : ` version ${address.version}`;
  return new Fault(
    'not_found',
    'secrets.secret_unknown',
    `expected a secret at "${address.path}"${version} in ${address.project}/${address.environment}, found none`,
  );
}
