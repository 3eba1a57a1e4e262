import { join } from 'node:path';
import { SecretBytes } from '@sallyport/formats';
import { createJournal, type Journal } from '../../packages/server/src/journal/index.ts';
import { createKeyring, fileSeal } from '../../packages/server/src/keyring/index.ts';
import { createAudit, createLedger } from '../../packages/server/src/ledger/index.ts';
import {
  createIds,
  openDatabase,
  systemClock,
  systemRandom,
} from '../../packages/server/src/platform/index.ts';
import { silentLog } from '../../packages/server/test-support/fakes.ts';

/** Opens what a stopped server left, to look at it from outside of any server. */
export async function openRecords(
  dataDirectory: string,
  databaseUrl?: string,
): Promise<{ readonly journal: Journal; close(): Promise<void> }> {
  const [clock, random, log] = [systemClock, systemRandom, silentLog];
  const ids = createIds({ clock, random });
  const db = await openDatabase(
    databaseUrl === undefined
      ? { kind: 'directory', directory: join(dataDirectory, 'database') }
      : { kind: 'postgres', url: SecretBytes.fromUtf8(databaseUrl) },
    log,
  );
  const audit = createAudit({ clock, ids });
  const seal = fileSeal(join(dataDirectory, 'root.key'), random);
  const keyring = createKeyring({ db, audit, clock, random, ids, seal, log });
  await keyring.open();
  const signer = await keyring.signer('log');
  const ledger = createLedger({ db, clock, ids, signer, origin: 'sallyport.localhost', log });
  const journal = createJournal({
    db,
    audit: ledger,
    clock,
    random,
    log,
    cipher: (scope) => keyring.cipher(scope),
    sealedEvents: ledger.eventsOf,
    alone: databaseUrl === undefined,
    directory: dataDirectory,
  });
  await journal.open();
  await journal.openScope('system');
  return {
    journal,
    async close() {
      await journal.close();
      await ledger.stop();
      await keyring.close();
      await db.close();
    },
  };
}
