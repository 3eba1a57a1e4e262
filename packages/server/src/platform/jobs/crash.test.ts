import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Child, startChild } from '../../../test-support/child.ts';
import { crashDatabase } from '../../../test-support/crash-database.ts';
import { silentLog } from '../../../test-support/fakes.ts';
import { openDatabase } from '../db/database.ts';
import { createJobs } from './jobs.ts';

const server = process.env['DATABASE_URL'] ?? '';
const name = `sallyport_test_crash_${process.pid}`;
let place: string;
let child: Child | undefined;

async function administer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  await client.query(statement);
  await client.end();
}

beforeEach(async () => {
  if (server === '') {
    place = await mkdtemp(join(tmpdir(), 'sallyport-jobs-'));
    return;
  }
  await administer(`CREATE DATABASE ${name}`);
  place = Object.assign(new URL(server), { pathname: `/${name}` }).href;
});
afterEach(async () => {
  await child?.kill('SIGKILL');
  if (server === '') await rm(place, { recursive: true });
  else await administer(`DROP DATABASE ${name} WITH (FORCE)`);
});

describe('a wake whose process is killed in its handler', () => {
  it('runs again in the next process', async () => {
    child = startChild('test-support/crash-child.ts', ['job', place]);
    await child.said('handling run_1');
    await child.kill('SIGKILL');

    const db = await openDatabase(crashDatabase(place), silentLog);
    const jobs = createJobs(db, silentLog);
    const started = Date.now();
    const again = new Promise<string>((resolve) => {
      jobs.handle('runs', async (id) => resolve(id));
    });
    await jobs.start();

    expect(await again).toBe('run_1');
    // Embedded, the new process knows that the old one is dead; on PostgreSQL a missing heartbeat tells it.
    expect(Date.now() - started).toBeLessThan(server === '' ? 3_000 : 30_000);
    await jobs.stop();
    await db.close();
  }, 60_000);
});
