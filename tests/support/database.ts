import { randomUUID } from 'node:crypto';
import pg from 'pg';

export interface OwnDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

/** A new database on the server of DATABASE_URL, whose role may create some; undefined where that is not set. */
export async function ownDatabase(): Promise<OwnDatabase | undefined> {
  const url = process.env['DATABASE_URL'];
  if (url === undefined || url === '') return undefined;
  const name = `sallyport_test_${randomUUID().replaceAll('-', '')}`;
  await administer(url, `create database ${name}`);
  const own = new URL(url);
  own.pathname = `/${name}`;
  return {
    url: own.href,
    drop: async () => {
      const drop = `drop database if exists ${name}`;
      // Forcing needs a superuser while an autovacuum worker is there (42501); a drop that asks makes it leave.
      await administer(url, `${drop} with (force)`).catch(async (error: unknown) => {
        if (!(error instanceof pg.DatabaseError) || error.code !== '42501') throw error;
        await administer(url, drop);
      });
    },
  };
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
