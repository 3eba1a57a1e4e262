import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Child, startChild } from '../../../test-support/child.ts';
import { silentLog } from '../../../test-support/fakes.ts';
import { type Database, openDatabase } from './database.ts';
import { lockDirectory } from './directory-lock.ts';

let directory: string;
let child: Child | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sallyport-db-'));
});
afterEach(async () => {
  await child?.kill('SIGKILL');
  child = undefined;
  await rm(directory, { recursive: true });
});

const crash = (...args: string[]) => startChild('test-support/crash-child.ts', args);
const open = (): Promise<Database> => openDatabase({ kind: 'directory', directory }, silentLog);

describe('a durable directory', () => {
  it('counts one sync for a commit and none for a read', async () => {
    const db = await open();
    await db.migrate([{ name: 'a/0001', sql: 'CREATE TABLE t (n int)' }]);

    const before = await db.syncs();
    for (let i = 0; i < 50; i += 1) await db.write((tx) => sql`INSERT INTO t VALUES (1)`.execute(tx));
    const written = await db.syncs();
    for (let i = 0; i < 50; i += 1) await db.read((tx) => sql`SELECT * FROM t`.execute(tx));
    const read = await db.syncs();
    await db.close();

    expect(written - before).toBe(50);
    expect(read - written).toBe(0);
  });

  it('lets nobody else in: the files of PGlite alone would be open to all', async () => {
    await (await open()).close();

    expect((await stat(join(directory, 'pg'))).mode & 0o077).toBe(0);
  });

  it('keeps nothing of what it answered', async () => {
    const db = await open();
    const answer = () => db.read((tx) => sql`SELECT repeat('x', 2000000)`.execute(tx));
    for (let i = 0; i < 10; i += 1) await answer();

    const before = process.memoryUsage().rss;
    for (let i = 0; i < 100; i += 1) await answer();
    const grownMb = (process.memoryUsage().rss - before) / 1e6;
    await db.close();

    expect(grownMb).toBeLessThan(120);
  });

  it('does not block the event loop with a heavy query', async () => {
    const db = await open();
    let worstMs = 0;
    let last = performance.now();
    const pulse = setInterval(() => {
      worstMs = Math.max(worstMs, performance.now() - last);
      last = performance.now();
    }, 5);

    const started = performance.now();
    await db.read((tx) =>
      sql`SELECT count(*) FROM generate_series(1, 2000000) AS n WHERE n % 7 = 3`.execute(tx),
    );
    const tookMs = performance.now() - started;
    clearInterval(pulse);
    await db.close();

    expect(tookMs).toBeGreaterThan(150);
    expect(worstMs).toBeLessThan(tookMs / 2);
  });
});

describe('the lock of a directory', () => {
  it('refuses a second process and names the first, until that one is dead', async () => {
    child = crash('hold', directory);
    await child.said('held');

    await expect(open()).rejects.toMatchObject({
      kind: 'conflict',
      code: 'platform.directory_locked',
      message: expect.stringContaining(`process ${child.pid}`),
      details: { pid: child.pid },
    });

    await child.kill('SIGKILL');
    const db = await open();
    await db.close();
  });

  it('refuses a second opening in the same process, and allows it after a close', async () => {
    const db = await open();

    await expect(open()).rejects.toMatchObject({
      code: 'platform.directory_locked',
      details: { pid: process.pid },
    });

    await db.close();
    await (await open()).close();
  });

  it('is not stolen from a process that lives, also where the file system keeps no record locks', async () => {
    child = crash('hold', join(directory, 'elsewhere'));
    await child.said('held');
    const holder = await readFile(join(directory, 'elsewhere', 'lock.json'), 'utf8');
    await writeFile(join(directory, 'lock.json'), holder);

    expect(() => lockDirectory(directory)).toThrow(
      expect.objectContaining({ details: { directory, pid: child.pid } }),
    );
  });

  it.each([
    ['a pid that was given out again', `{"pid":${process.ppid},"startTime":"1","namespace":"NS"}`],
    ['a dead process', '{"pid":4194303,"startTime":"5","namespace":"NS"}'],
    ['half a file', '{"pid":'],
    ['nonsense', '[]'],
  ])('is taken over from %s', async (_what, text) => {
    await mkdir(directory, { recursive: true });
    const free = lockDirectory(directory);
    const namespace = JSON.parse(await readFile(join(directory, 'lock.json'), 'utf8')).namespace;
    free.release();
    await writeFile(join(directory, 'lock.json'), text.replace('NS', namespace));

    const lock = lockDirectory(directory);

    expect(JSON.parse(await readFile(join(directory, 'lock.json'), 'utf8')).pid).toBe(process.pid);
    lock.release();
  });
});
