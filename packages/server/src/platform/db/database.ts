import { AsyncLocalStorage } from 'node:async_hooks';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault, type SecretBytes } from '@sallyport/formats';
import { Kysely, PostgresDialect, type Transaction } from 'kysely';
import pg from 'pg';
import type { Config } from '../config/options.ts';
import type { Db, Log, Migration, Tx } from '../ports.ts';
import { type AdvisoryLocks, localLocks, serverLocks } from './advisory-locks.ts';
import { addAfterCommit, openAfterCommit } from './after-commit.ts';
import { CallbackClient } from './callback-client.ts';
import { migrate } from './migrations.ts';
import { openPglite } from './pglite.ts';
import { faultOf, isContention } from './sql-errors.ts';
import { valueTypes } from './values.ts';

export type DatabaseConfig =
  | { readonly kind: 'memory'; readonly image?: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'directory'; readonly directory: string; readonly onStopped?: (reason: string) => void }
  | { readonly kind: 'postgres'; readonly url: SecretBytes; readonly connections?: number };

/** Which database a server's configuration asks for. */
export function databaseOf(
  config: Pick<Config, 'databaseUrl' | 'databaseConnections' | 'dataDirectory'>,
  onStopped?: (reason: string) => void,
): DatabaseConfig {
  if (config.databaseUrl !== undefined) {
    return { kind: 'postgres', url: config.databaseUrl, connections: config.databaseConnections };
  }
  const directory = join(config.dataDirectory, 'database');
  return { kind: 'directory', directory, ...(onStopped === undefined ? {} : { onStopped }) };
}

export interface Database extends Db {
  /** Brings the schema up to date; safe to call from several replicas at once. */
  migrate(migrations: readonly Migration[]): Promise<void>;
  /** Waits for running transactions, then lets the directory or the connections go. */
  close(): Promise<void>;
  /**
   * One statement, or several without values, outside our transactions: for pg-boss, which brings its own. A failure
   * drops the connection and whatever it left open.
   */
  execute(text: string, values?: readonly unknown[]): Promise<{ rows: unknown[] }>;
  /** A lock by name across replicas; see advisory-locks.ts. */
  readonly locks: AdvisoryLocks;
  /** Embedded only: syncs to the disk since the start (0 on PostgreSQL, which counts its own). */
  syncs(): Promise<number>;
  /** Embedded only: the data directory as an archive for a later `memory` start. */
  image(): Promise<Uint8Array<ArrayBuffer>>;
}

interface Engine {
  readonly pool: pg.Pool;
  readonly locks: AdvisoryLocks;
  syncs(): Promise<number>;
  image(): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** Narrows a transaction to the tables of one context. */
export function tablesOf<T>(tx: Tx): Transaction<T> {
  // The tables exist by migration; which of them a store may touch is what this type says, once per store.
  return tx as unknown as Transaction<T>;
}

export async function openDatabase(config: DatabaseConfig, log: Log): Promise<Database> {
  const engine: Engine =
    config.kind === 'postgres'
      ? openPostgres(config, log)
      : { ...(await openPglite(config, log)), locks: localLocks() };
  const kysely = new Kysely<Record<never, never>>({ dialect: new PostgresDialect({ pool: engine.pool }) });
  const db = createDb(kysely, config.kind === 'postgres' ? 'postgres' : 'pglite', log);
  try {
    await db.read(async () => undefined);
  } catch (error) {
    await engine.close();
    throw error;
  }
  return {
    ...db,
    migrate: (migrations) => migrate(db, migrations, log),
    execute: (text, values) => execute(engine.pool, text, values),
    locks: engine.locks,
    close: async () => {
      await engine.locks.close();
      await engine.close();
    },
    syncs: () => engine.syncs(),
    image: () => engine.image(),
  };
}

async function execute(
  pool: pg.Pool,
  text: string,
  values: readonly unknown[] | undefined,
): Promise<{ rows: unknown[] }> {
  refuseNested();
  return pool.query(text, values === undefined ? undefined : [...values]);
}

function openPostgres(config: Extract<DatabaseConfig, { kind: 'postgres' }>, log: Log): Engine {
  const connection = { connectionString: config.url.exposeUtf8(), application_name: 'sallyport' };
  const pool = new pg.Pool({
    ...connection,
    max: config.connections ?? 10,
    connectionTimeoutMillis: 10_000,
    // A transaction is short by contract; one that hangs must not hold row locks for ever.
    options: '-c idle_in_transaction_session_timeout=60000 -c lock_timeout=30000',
    types: valueTypes,
    Client: CallbackClient,
  });
  pool.on('error', (error) => log.warn({ err: error }, 'an idle database connection was lost'));
  return {
    pool,
    locks: serverLocks(connection, log),
    syncs: async () => 0,
    image: async () => {
      throw new Fault(
        'invalid',
        'platform.no_image',
        'expected an embedded database, got a PostgreSQL server',
      );
    },
    close: () => pool.end(),
  };
}

const attempts = 8;
const inTransaction = new AsyncLocalStorage<{ open: boolean }>();

/**
 * A second transaction inside a first waits for a connection that the first holds: for ever on PGlite, and under
 * load on PostgreSQL. It is a mistake of the caller, so it is refused at once, on both.
 */
function refuseNested(): void {
  if (inTransaction.getStore()?.open !== true) return;
  throw new Fault(
    'internal',
    'platform.nested_transaction',
    'expected no open transaction, got one inside another',
    {
      hint: 'pass the tx you have, or use afterCommit',
    },
  );
}

function createDb(kysely: Kysely<Record<never, never>>, engine: Db['engine'], log: Log): Db {
  async function alone<T>(run: () => Promise<T>): Promise<T> {
    refuseNested();
    const scope = { open: true };
    try {
      return await inTransaction.run(scope, run);
    } catch (error) {
      throw faultOf(error);
    } finally {
      // Timers made inside inherit the scope; they run later and may open their own.
      scope.open = false;
    }
  }

  async function write<T>(work: Parameters<typeof attempt<T>>[0]): Promise<T> {
    for (let round = 1; ; round += 1) {
      try {
        const done = await alone(() => attempt(work));
        for (const then of done.thens) runAfterCommit(then, log);
        return done.result;
      } catch (error) {
        const cause = error instanceof Error ? error.cause : undefined;
        if (!isContention(cause) || round >= attempts) throw error;
        // Losers of a deadlock must not meet again at the same moment.
        await sleep(Math.random() * 5 * 2 ** round);
      }
    }
  }

  async function attempt<T>(
    work: (tx: Tx, afterCommit: (then: () => void) => void) => Promise<T>,
  ): Promise<{ result: T; thens: ReadonlyArray<() => void> }> {
    let thens: ReadonlyArray<() => void> = [];
    const result = await kysely.transaction().execute((tx) => {
      thens = openAfterCommit(tx);
      return work(tx, (then) => addAfterCommit(tx, then));
    });
    return { result, thens };
  }

  return {
    engine,
    write,
    read: (work) =>
      alone(() =>
        kysely
          .transaction()
          .setIsolationLevel('repeatable read')
          .setAccessMode('read only')
          .execute((tx) => work(tx)),
      ),
    // A statement outside of a transaction commits by itself; the type says only which tables a store may name in it.
    statement: (work) => alone(() => work(kysely as unknown as Tx)),
  };
}

function runAfterCommit(then: () => void, log: Log): void {
  try {
    then();
  } catch (error) {
    // The commit stands; what follows it is only a hint to somebody and must not look like a failed write.
    log.error({ err: error }, 'a function after commit threw');
  }
}
