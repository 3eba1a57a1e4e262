import { Fault } from '@sallyport/formats';
import type { Db, Random, Tx } from '#platform';
import type { JournalStore } from './store.ts';
import type { RecordCipher } from './turn.ts';

const keySizeBytes = 32;
const address = 'journal/state-key';

/**
 * The key of the hash of all records: random, sealed by the keyring, stored beside the records. Made while nothing was
 * ever written, and never again: without it nobody could say whether the records are those that were written.
 */
export async function openStateKey(
  db: Db,
  store: JournalStore,
  cipher: RecordCipher,
  random: Random,
): Promise<Buffer> {
  const sealed = await db.write(async (tx) => (await store.stateKey(tx)) ?? (await make(tx)));
  const key = cipher.open(address, sealed);
  if (key?.length !== keySizeBytes) throw damaged();
  if (cipher.keyVersionOf(sealed) < cipher.newestVersion) {
    // The keyring's key was rotated: this one moves along, like the records.
    await db.write((tx) => store.setStateKey(tx, cipher.rewrap(address, sealed)));
  }
  return key;

  async function make(tx: Tx): Promise<Uint8Array> {
    // Held, so that two replicas that start together make one key.
    const { epoch } = await store.hold(tx);
    const made = await store.stateKey(tx);
    if (made !== undefined) return made;
    if (epoch > 0) throw damaged();
    const fresh = random.bytes(keySizeBytes);
    const sealedNow = cipher.seal(address, fresh);
    fresh.fill(0);
    await store.setStateKey(tx, sealedNow);
    return sealedNow;
  }
}

function damaged(): Fault {
  return new Fault(
    'integrity',
    'journal.state_key',
    'the key of the hash of all records is missing or damaged',
    {
      hint: 'the database was changed from outside; restore it from a backup',
    },
  );
}
