import { sql } from 'kysely';
import { openDatabase } from '../src/platform/db/database.ts';
import { createJobs } from '../src/platform/jobs/jobs.ts';
import { crashDatabase } from './crash-database.ts';
import { silentLog } from './fakes.ts';

/** A process to be killed: `write <dir> <count>` acknowledges commits, `hold <dir>` keeps it open, `job <dir>` hangs in a handler. */
const [mode, directory = '', count = '0'] = process.argv.slice(2);
const db = await openDatabase(crashDatabase(directory), silentLog);

switch (mode) {
  case 'write': {
    await db.migrate([{ name: 'crash/0001', sql: 'CREATE TABLE acks (n bigint PRIMARY KEY)' }]);
    const start = await db.read((tx) =>
      sql<{ n: number }>`SELECT coalesce(max(n), 0) AS n FROM acks`.execute(tx),
    );
    const first = (start.rows[0]?.n ?? 0) + 1;
    for (let n = first; n < first + Number(count); n += 1) {
      await db.write((tx) => sql`INSERT INTO acks VALUES (${n})`.execute(tx));
      console.log(`ack ${n}`);
    }
    console.log(`syncs ${await db.syncs()}`);
    await db.close();
    break;
  }
  case 'hold':
    console.log('held');
    setInterval(() => undefined, 1000);
    break;
  case 'job': {
    const jobs = createJobs(db, silentLog);
    jobs.handle('runs', async (id) => {
      console.log(`handling ${id}`);
      await new Promise(() => undefined);
    });
    await jobs.start();
    await db.write((tx) => jobs.wake(tx, 'runs', 'run_1'));
    break;
  }
}
