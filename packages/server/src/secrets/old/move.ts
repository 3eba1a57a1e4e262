import { Fault, isFault, type SecretBytes } from '@sallyport/formats';
import type { Keyring } from '#keyring';
import { type Audit, type Db, type Log, systemActor, type Tx } from '#platform';
import type { OldSecret, TakeOver } from '#vault';
import { placeOf, type SecretAddress, scopeOf, secretResource, valueAddress } from '../address.ts';
import { oldStore } from './store.pg.ts';

export interface MoveDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly log: Log;
  readonly keyring: Pick<Keyring, 'decrypt'>;
  readonly vault: TakeOver;
}

/**
 * Moves values out of the tables of before into the engine, one secret after the other, and drops the tables when
 * nothing is left. Killed anywhere, the next start goes on. What cannot be moved (its place is taken, it does not
 * open) stays where it is, is named in the log and tried again at the next start; everything else is served.
 */
export async function moveOldValues(deps: MoveDeps): Promise<void> {
  const { db, log } = deps;
  for (const address of await db.write((tx) => oldStore.addresses(tx))) {
    try {
      await moveOne(deps, address);
    } catch (error) {
      if (!isFault(error) || !staying.has(error.kind)) throw error;
      log.error({ secret: secretResource(address), err: error }, 'a secret stays in the tables of before');
    }
  }
  await db.write((tx) => oldStore.dropWhenEmpty(tx));
}

const staying = new Set<Fault['kind']>(['conflict', 'precondition', 'integrity', 'invalid']);

async function moveOne({ db, audit, keyring, vault }: MoveDeps, address: SecretAddress): Promise<void> {
  const opened: SecretBytes[] = [];
  async function open(tx: Tx): Promise<OldSecret | undefined> {
    const versions = [];
    for (const old of await oldStore.versions(tx, address)) {
      const data: Record<string, SecretBytes> = Object.create(null);
      for (const { key, record } of old.values) {
        const bound = valueAddress(address, key, old.version);
        const value = await keyring.decrypt(tx, scopeOf(address), bound, record);
        opened.push(value);
        data[key] = value;
      }
      if (old.version !== versions.length + 1) throw gap(address, old.version);
      versions.push({ createdAt: old.createdAt, createdBy: old.createdBy, data });
    }
    return versions.length === 0 ? undefined : { ...placeOf(address), versions };
  }
  try {
    const secret = await db.write(open);
    if (secret !== undefined) {
      await vault.take(secret);
      if (!(await vault.holds(secret))) throw notHeld(address);
    }
    // Only what was just read back is removed: versions that another server added meanwhile are moved before.
    await db.write(async (tx) => {
      const now = await oldStore.versions(tx, address);
      if (now.length !== (secret?.versions.length ?? 0)) throw notHeld(address);
      await oldStore.remove(tx, address);
      await audit.record(tx, {
        type: 'secrets.secret.moved',
        actor: systemActor,
        resource: secretResource(address),
        state: null,
        detail: { versions: now.length },
      });
    });
  } finally {
    for (const value of opened) value.wipe();
  }
}

function gap(address: SecretAddress, version: number): Fault {
  return new Fault(
    'integrity',
    'secrets.old_version_missing',
    `expected all versions of ${secretResource(address)} up to ${version}, found some missing`,
  );
}

function notHeld(address: SecretAddress): Fault {
  return new Fault(
    'integrity',
    'secrets.old_not_moved',
    `expected every version of ${secretResource(address)} where it was moved to, found another value or none`,
  );
}
