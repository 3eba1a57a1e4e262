import { createJournal, type Journal, type JournalDeps } from '#journal';
import { openVault, type Sys, type Vault } from '#vault';
import { auditSettingsOf } from './audit-settings.ts';
import type { Ground } from './contexts.ts';

/** The records and what answers from them; the keyring is open. Close the vault first, then the journal. */
export async function openRecords(
  { config, log, clock, random, db, keyring }: Ground,
  ledger: Pick<JournalDeps, 'audit' | 'sealedEvents'>,
  sys: Sys,
): Promise<{ readonly journal: Journal; readonly vault: Vault }> {
  const journal = createJournal({
    db,
    ...ledger,
    clock,
    random,
    log,
    cipher: (scope) => keyring.cipher(scope),
    directory: config.dataDirectory,
    alone: db.engine === 'pglite',
    ...(config.acceptRestoredState === undefined ? {} : { acceptRestoredState: config.acceptRestoredState }),
  });
  await journal.open();
  try {
    return {
      journal,
      vault: await openVault({
        journal,
        db,
        alone: db.engine === 'pglite',
        clock,
        random,
        log,
        sys,
        audit: auditSettingsOf(config),
      }),
    };
  } catch (error) {
    await journal.close();
    throw error;
  }
}
