import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { verifyCheckpoint, verifyConsistency } from '@sallyport/formats';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createIds, openDatabase, systemClock, systemRandom } from '#platform';
import { silentLog } from '../../test-support/fakes.ts';
import { signerFrom } from './crash.fixture.ts';
import { demoMigration, demoTable } from './demo.fixture.ts';
import { createLedger, type Ledger, ledgerMigrations } from './index.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sallyport-ledger-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const fixture = fileURLToPath(new URL('./crash.fixture.ts', import.meta.url));

/** Runs the appender and kills it with SIGKILL `afterLines` lines later; gives what it had printed. */
async function killAfter(
  database: string,
  key: string,
  round: number,
  afterLines: number,
): Promise<string[]> {
  const child = spawn(process.execPath, [fixture, database, key, `${round}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    // Between two lines the child is at any place of a transaction or a batch.
    if (lines.length === afterLines) child.kill('SIGKILL');
  }
  await ended;
  return lines;
}

/** Every checkpoint that ever left the process, whenever it was killed: each pair is of one log. */
async function expectOneHistory(ledger: Ledger, key: string, lines: readonly string[]): Promise<void> {
  const { publicKeySpki: publicKey } = signerFrom(key);
  const notes = lines.flatMap((line) => /^head (\S+)$/.exec(line)?.[1] ?? []);
  const heads = new Map(
    notes.map((note) => {
      const text = Buffer.from(note, 'base64').toString();
      return [text, verifyCheckpoint(text, [{ name: 'log.example/crash', publicKey }])] as const;
    }),
  );
  const inOrder = [...heads.values()].sort((a, b) => a.treeSize - b.treeSize);
  // One note per size: two would be two histories, or a signature that is not deterministic.
  expect(new Set(inOrder.map(({ treeSize }) => treeSize)).size).toBe(inOrder.length);
  expect(inOrder.length).toBeGreaterThan(10);
  for (const [i, first] of inOrder.entries()) {
    for (const second of inOrder.slice(i)) {
      const hashes = first === second ? [] : await ledger.consistencyProof(first.treeSize, second.treeSize);
      verifyConsistency({
        firstSize: first.treeSize,
        firstRoot: first.rootHash,
        secondSize: second.treeSize,
        secondRoot: second.rootHash,
        hashes,
      });
    }
  }
}

it('loses nothing that was acknowledged when the process is killed while it appends', async () => {
  const database = join(directory, 'database');
  const { privateKey } = generateKeyPairSync('ed25519');
  const key = privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64');
  const lines: string[] = [];
  for (const [round, afterLines] of [2, 17, 60, 131].entries()) {
    lines.push(...(await killAfter(database, key, round, afterLines)));
  }
  expect(lines.filter((line) => line === 'ready')).toHaveLength(4);
  expect(lines.length).toBeGreaterThan(200);

  const db = await openDatabase({ kind: 'directory', directory: database }, silentLog);
  try {
    await db.migrate([...ledgerMigrations, demoMigration]);
    const ledger = createLedger({
      db,
      clock: systemClock,
      ids: createIds({ clock: systemClock, random: systemRandom }),
      signer: signerFrom(key),
      origin: 'log.example/crash',
      log: silentLog,
    });
    expect((await ledger.verify([demoTable])).findings).toEqual([]);
    const acknowledged = lines.flatMap((line) => /^appended (\S+)$/.exec(line)?.[1] ?? []);
    const proofs = await Promise.all(acknowledged.map((entryId) => ledger.proofFor(entryId)));
    const places = new Map(proofs.map((proof) => [proof.entryId, proof.leafIndex]));
    expect(new Set(places.values()).size).toBe(acknowledged.length);
    // A place that was told once is the place for ever.
    for (const line of lines) {
      const [, entryId = '', leafIndex] = /^proved (\S+) (\d+)$/.exec(line) ?? [];
      if (leafIndex !== undefined) expect(places.get(entryId)).toBe(Number(leafIndex));
    }
    await expectOneHistory(ledger, key, lines);
    while ((await ledger.integrate()) > 0);
    expect(await ledger.verify([demoTable])).toMatchObject({ ok: true, pending: 0, resources: 4 });
  } finally {
    await db.close();
  }
}, 60_000);
