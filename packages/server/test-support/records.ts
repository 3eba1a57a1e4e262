import { createJournal, type Journal, type JournalDeps, journalMigrations } from '#journal';
import type { Keyring } from '#keyring';
import { type Clock, systemRandom } from '#platform';
import { openVault, type Sys, type Vault } from '#vault';
import { silentLog } from './fakes.ts';
import { noDevices } from './vault.ts';

export const recordsMigrations = journalMigrations;

type Request = Parameters<Vault['pipeline']['answer']>[0];

export interface TestRecords {
  readonly journal: Journal;
  readonly vault: Vault;
  /** A request of a Vault client, without a socket. */
  ask(token: string, method: Request['method'], path: string, body?: Request['body']): Promise<VaultAnswer>;
  close(): Promise<void>;
}

export interface VaultAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any;
}

/** Journal and vault on a test's own database and keyring, without HTTP; `recordsMigrations` ran on it. */
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
    audit: noDevices,
  });
  return {
    journal,
    vault,
    async ask(token, method, path, body = {}) {
      const request: Request = {
        id: crypto.randomUUID(),
        method,
        path,
        listing: false,
        help: false,
        query: {},
        body,
        bodyBytes: Buffer.from(JSON.stringify(body)),
        token,
        wrapSeconds: undefined,
        headers: {},
        remoteAddress: '127.0.0.1',
        remotePort: 1,
        certificate: undefined,
      };
      const answer = await vault.pipeline.answer(request, () => new AbortController().signal);
      return { status: answer.status, body: JSON.parse(answer.body?.toString() ?? 'null') };
    },
    async close() {
      await vault.close();
      await journal.close();
    },
  };
}
