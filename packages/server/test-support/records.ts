import { createJournal, type Journal, type JournalDeps } from '#journal';
import type { Keyring } from '#keyring';
import { type Clock, systemRandom } from '#platform';
import type { Sys } from '../src/vault/sys/ports.ts';
import { openVault, type Vault } from '../src/vault/vault.ts';
import { silentLog } from './fakes.ts';

export interface TestRecords {
  readonly journal: Journal;
  readonly vault: Vault;
  close(): Promise<void>;
}

/** Journal and vault on a test's own database and keyring, without HTTP; `journalMigrations` ran on it. */
export async function openTestRecords(deps: {
  readonly db: JournalDeps['db'];
  readonly audit: JournalDeps['audit'];
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly directory: string;
}): Promise<TestRecords> {
  const { keyring, clock } = deps;
  const journal = createJournal({
    ...deps,
    random: systemRandom,
    log: silentLog,
    cipher: (scope) => keyring.cipher(scope),
    sealedEvents: async () => ({ events: [] }),
    alone: true,
  });
  await journal.open();
  const vault = await openVault({
    journal,
    db: deps.db,
    alone: true,
    clock,
    random: systemRandom,
    log: silentLog,
    // Nothing here asks for the server as a whole.
    sys: {} as Sys,
    audit: {
      devices: [],
      api: { directories: [], addresses: [] },
      keyFiles: {},
      fetch,
      stdout: process.stdout,
      hostname: 'localhost',
      processId: process.pid,
    },
  });
  return {
    journal,
    vault,
    async close() {
      await vault.close();
      await journal.close();
    },
  };
}
