import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { SecretBytes } from '@sallyport/formats';
import pg from 'pg';
import type { Migration } from '#platform';
import manifest from '../package.json' with { type: 'json' };
import { type Database, openDatabase } from '../src/platform/db/database.ts';
import { silentLog } from './fakes.ts';

export interface TestDb {
  readonly db: Database;
  close(): Promise<void>;
}

/**
 * A fresh, migrated database: one of its own on the server of DATABASE_URL (whose role may create databases), else
 * PGlite in memory. Open it once per test file (`beforeAll`); closing drops it.
 */
export async function openTestDb(migrations: readonly Migration[]): Promise<TestDb> {
  const url = process.env['DATABASE_URL'];
  const opened = url === undefined || url === '' ? await openEmbedded() : await openOnServer(url);
  await opened.db.migrate(migrations);
  return opened;
}

async function openEmbedded(): Promise<TestDb> {
  const db = await openDatabase({ kind: 'memory', image: await freshImage() }, silentLog);
  return { db, close: () => db.close() };
}

const cache = new URL('../../../node_modules/.cache/sallyport/', import.meta.url);

/** Creating a cluster takes seconds, unpacking one half a second: the first test file keeps it for the others. */
async function freshImage(): Promise<Uint8Array<ArrayBuffer>> {
  const version = `pglite-${manifest.dependencies['@electric-sql/pglite']}`;
  const file = fileURLToPath(new URL(`${version}.tar`, cache));
  try {
    return new Uint8Array(await readFile(file));
  } catch {
    // Not there yet: made below. Files that start together each make one; the rename keeps readers from halves.
  }
  const db = await openDatabase({ kind: 'memory' }, silentLog);
  const image = await db.image();
  await db.close();
  await mkdir(cache, { recursive: true });
  const draft = `${file}.${randomUUID()}`;
  await writeFile(draft, image);
  await rename(draft, file);
  return image;
}

async function openOnServer(url: string): Promise<TestDb> {
  const name = `sallyport_test_${randomUUID().replaceAll('-', '')}`;
  await administer(url, `CREATE DATABASE ${name}`);
  const own = new URL(url);
  own.pathname = `/${name}`;
  const db = await openDatabase(
    { kind: 'postgres', url: SecretBytes.fromUtf8(own.href), connections: 5 },
    silentLog,
  );
  return {
    db,
    close: async () => {
      await db.close();
      await dropDatabase(url, name);
    },
  };
}

/** Only a superuser may force an autovacuum worker out; a drop that asks makes it leave. */
async function dropDatabase(url: string, name: string): Promise<void> {
  try {
    await administer(url, `DROP DATABASE ${name} WITH (FORCE)`);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== insufficientPrivilege) throw error;
    await administer(url, `DROP DATABASE ${name}`);
  }
}

const insufficientPrivilege = '42501';

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
