import { CompiledQuery } from 'kysely';
import { PgBoss } from 'pg-boss';
import type { Database } from '../db/database.ts';
import type { Log, Tx } from '../ports.ts';

/** What one wake carries: the id of the thing to advance. State lives in the tables of the contexts. */
export interface Wake {
  readonly id: string;
}

export const heartbeatSeconds = 10;

/**
 * Options of every queue. A wake is kept until its handler succeeded: it is retried for ever, at most a minute apart,
 * and a wake for a date far away is not cleaned up before it comes.
 */
function queueOptions(engine: Database['engine']) {
  const year = 365 * 24 * 3600;
  return {
    retryLimit: 1_000_000,
    retryDelay: 1,
    retryBackoff: true,
    retryDelayMax: 60,
    retentionSeconds: 10 * year,
    // Embedded: one process, whose start takes back what the one before left. PostgreSQL: a replica that stops
    // sending its heartbeat has died, and another takes over what it held.
    expireInSeconds: 24 * 3600 - 1,
    ...(engine === 'postgres' ? { heartbeatSeconds } : {}),
  };
}

export function createBoss(db: Database, log: Log): PgBoss {
  const boss = new PgBoss({
    db: {
      // pg-boss reads rows by its own types; `execute` gives what pg gave.
      executeSql: (text, values) => db.execute(text, values) as Promise<{ rows: never[] }>,
    },
    backend: db.engine === 'pglite' ? 'pglite' : 'postgres',
    schema: 'sallyport_jobs',
    schedule: false,
    superviseIntervalSeconds: db.engine === 'pglite' ? 300 : 5,
    monitorIntervalSeconds: db.engine === 'pglite' ? 300 : 5,
    maintenanceIntervalSeconds: 3600,
  });
  boss.on('error', (error) => log.error({ err: error }, 'the job queue reported an error'));
  boss.on('warning', (warning) => log.warn({ warning: warning.message }, 'the job queue reported a warning'));
  return boss;
}

export async function openQueue(boss: PgBoss, db: Database, queue: string): Promise<void> {
  await boss.createQueue(queue, queueOptions(db.engine));
  // Also fills pg-boss's cache of queues, so that a `send` inside a transaction asks no second connection.
  const jobs = await boss.findJobs<Wake>(queue);
  if (db.engine !== 'pglite') return;
  // The directory is ours alone, so whoever held these is dead. A crash between the two statements wakes twice.
  for (const job of jobs.filter((each) => each.state === 'active')) {
    await boss.send(queue, job.data);
    await boss.deleteJob(queue, job.id);
  }
}

/** Inserts a wake in the caller's transaction. */
export async function sendIn(
  boss: PgBoss,
  tx: Tx,
  queue: string,
  wake: Wake,
  startAfter?: Date,
): Promise<void> {
  await boss.send(queue, wake, {
    ...(startAfter === undefined ? {} : { startAfter }),
    db: {
      executeSql: async (text, values) => {
        const { rows } = await tx.executeQuery(CompiledQuery.raw(text, [...(values ?? [])]));
        return { rows: rows as never[] };
      },
    },
  });
}
