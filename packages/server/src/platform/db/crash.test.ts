import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Child, startChild } from '../../../test-support/child.ts';
import { silentLog } from '../../../test-support/fakes.ts';
import { type Database, openDatabase } from './database.ts';

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
  it('keeps every acknowledged commit through kill -9, again and again', async () => {
    let acknowledged = 0;
    for (const after of [40, 90, 25]) {
      child = crash('write', directory, '100000');
      await child.said(`ack ${acknowledged + after}`);
      await child.kill('SIGKILL');
      acknowledged = Number(child.lines.findLast((line) => line.startsWith('ack '))?.slice(4));
    }

    const db = await open();
    const { rows } = await db.read((tx) => sql<{ n: number }>`SELECT n FROM acks ORDER BY n`.execute(tx));
    await db.close();

    expect(acknowledged).toBeGreaterThanOrEqual(155);
    // One more may have been committed than its line was read; none may be missing in between.
    expect(rows.map((row) => row.n)).toEqual(Array.from({ length: rows.length }, (_, i) => i + 1));
    expect(rows.length).toBeGreaterThanOrEqual(acknowledged);
  });

  it('survives kill -9 during its very first start', async () => {
    for (const ms of [300, 900, 1500]) {
      child = crash('hold', directory);
      await sleep(ms);
      await child.kill('SIGKILL');
    }

    const db = await open();
    await expect(db.read((tx) => sql`SELECT 1`.execute(tx))).resolves.toBeDefined();
    await db.close();
  });
});
