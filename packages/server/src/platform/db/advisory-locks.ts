import pg from 'pg';
import type { Log } from '../ports.ts';

/** Locks by name across replicas, for work that one of them does at a time. Not held in a transaction. */
export interface AdvisoryLocks {
  /** Gives a function that releases, or undefined when another holds the lock. */
  tryLock(name: string): Promise<(() => Promise<void>) | undefined>;
  close(): Promise<void>;
}

/** One process has the embedded database, so a set in its memory is the lock. */
export function localLocks(): AdvisoryLocks {
  const held = new Set<string>();
  return {
    tryLock: async (name) => {
      if (held.has(name)) return undefined;
      held.add(name);
      return async () => {
        held.delete(name);
      };
    },
    close: async () => undefined,
  };
}

/**
 * Session locks of PostgreSQL on one connection of their own, so that holding them takes none from the pool. The server
 * drops them when the connection or the process dies. A lock lost with its connection while its work still runs lets
 * another replica start too: what runs under such a lock must be safe to run twice, the lock only makes it rare.
 */
export function serverLocks(options: pg.ClientConfig, log: Log): AdvisoryLocks {
  const held = new Set<string>();
  let opening: Promise<pg.Client> | undefined;

  const forget = (): void => {
    opening = undefined;
    held.clear();
  };
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client(options);
    client.on('error', (error) => {
      log.warn({ err: error }, 'the connection that holds advisory locks was lost');
      forget();
    });
    client.on('end', forget);
    await client.connect();
    return client;
  };
  const session = (): Promise<pg.Client> => {
    opening ??= connect().catch((error: unknown) => {
      forget();
      throw error;
    });
    return opening;
  };

  return {
    tryLock: async (name) => {
      if (held.has(name)) return undefined;
      held.add(name);
      try {
        const client = await session();
        const { rows } = await client.query(
          'SELECT pg_try_advisory_lock(hashtextextended($1, 7270)) AS got',
          [name],
        );
        if (rows[0]?.got === true) {
          return async () => {
            held.delete(name);
            await client.query('SELECT pg_advisory_unlock(hashtextextended($1, 7270))', [name]);
          };
        }
      } catch (error) {
        held.delete(name);
        throw error;
      }
      held.delete(name);
      return undefined;
    },
    close: async () => {
      const client = await opening?.catch(() => undefined);
      forget();
      await client?.end();
    },
  };
}
