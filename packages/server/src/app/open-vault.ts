import { createJournal, type Journal, type JournalDeps } from '#journal';
import { createVault, type Sys, type Vault } from '#vault';
import { vaultBackends } from './backends.ts';
import type { Ground } from './contexts.ts';

/** The records and what answers from them; the keyring is open. */
export async function openVault(
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
  });
  await journal.open();
  try {
    const vault = createVault({ journal, clock, random, log, sys, backends: vaultBackends() });
    await vault.open();
    return { journal, vault };
  } catch (error) {
    await journal.close();
    throw error;
  }
}
