import { spawnSync } from 'node:child_process';
import {
  appendFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AuditBatch, batchOf, type Link, linkAfter, noLink, type PlacedBatch } from './batch.ts';
import { type JournalFile, type JournalFileDeps, openJournalFile } from './journal-file.ts';

let root: string;
let directory: string;
let torn: number[];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sallyport-journal-'));
  directory = join(root, 'journal');
  torn = [];
});
afterEach(() => rm(root, { recursive: true }));

const openFile = (more: Partial<JournalFileDeps> = {}): Promise<JournalFile> =>
  openJournalFile({
    directory,
    maxFileBytes: 1024 * 1024,
    sealedTo: noLink,
    onTorn: (sizeBytes) => torn.push(sizeBytes),
    ...more,
  });

const batch = (text: string): AuditBatch => batchOf(1000, [Buffer.from(`{"n":"${text}"}\n`)]);

async function written(count: number, more: Partial<JournalFileDeps> = {}): Promise<Link> {
  const file = await openFile(more);
  for (let n = 1; n <= count; n += 1) await file.append(batch(`${n} ${'x'.repeat(n % 40)}`));
  await file.close();
  return file.end;
}

async function readAll(
  file: JournalFile,
  after: Parameters<JournalFile['read']>[0] = noLink,
): Promise<PlacedBatch[]> {
  const all: PlacedBatch[] = [];
  for await (const each of file.read(after)) all.push(each);
  return all;
}

const names = async (): Promise<string[]> => (await readdir(directory)).sort();
const only = async (): Promise<string> => join(directory, (await names())[0] ?? '');
const damaged = { kind: 'integrity', code: 'journal.file_damaged' };
const cutShort = { kind: 'integrity', code: 'journal.file_cut' };

describe('the journal file', () => {
  it('gives back what was appended, in order and with its chain, also after it was opened again', async () => {
    const end = await written(50);
    const file = await openFile();
    await file.append(batch('one more'));

    const all = await readAll(file);

    let link = noLink;
    for (const each of all) {
      link = linkAfter(link, each);
      expect(each).toMatchObject({ place: link.place, at: 1000, lines: 1 });
      expect(Buffer.from(each.chain).equals(link.chain)).toBe(true);
    }
    expect(all.map(({ place }) => place)).toEqual(Array.from({ length: 51 }, (_, n) => n + 1));
    expect(Buffer.from(all[49]?.chain ?? []).equals(end.chain)).toBe(true);
    expect(file.end.place).toBe(51);
    await file.close();
  });

  it('reads on from any place, and refuses to go on from a chain that is not its own', async () => {
    const file = await openFile({ maxFileBytes: 700 });
    for (let n = 0; n < 30; n += 1) await file.append(batch(`${n}`));
    const all = await readAll(file);

    for (const { place, chain } of all) {
      expect((await readAll(file, { place, chain })).length).toBe(30 - place);
      expect((await readAll(file, { place }))[0]?.place).toBe(place === 30 ? undefined : place + 1);
      if (place < 30) {
        await expect(readAll(file, { place, chain: Buffer.alloc(32, 1) })).rejects.toMatchObject(damaged);
      }
    }
    await file.close();
  });

  it('is read while it grows', async () => {
    const file = await openFile({ maxFileBytes: 2000 });
    const read: number[] = [];
    let done = false;
    const reader = (async () => {
      while (!done || (read.at(-1) ?? 0) < 300) {
        for await (const { place } of file.read({ place: read.at(-1) ?? 0 })) read.push(place);
        await new Promise((next) => setImmediate(next));
      }
    })();
    for (let n = 0; n < 300; n += 1) await file.append(batch(`${n}`));
    done = true;
    await reader;

    expect(read).toEqual(Array.from({ length: 300 }, (_, n) => n + 1));
    await file.close();
  });

  it('begins a new file when one is full, and goes on there', async () => {
    await written(40, { maxFileBytes: 600 });
    expect((await names()).length).toBeGreaterThan(4);
    const file = await openFile({ maxFileBytes: 600 });

    expect((await readAll(file)).length).toBe(40);
    await file.append(batch('next'));
    expect(file.end.place).toBe(41);
    await file.close();
  });

  it('takes batches much larger than what is read at once', async () => {
    const file = await openFile();
    const sizes = [10, 3_000_000, 1_048_576, 1, 1_048_400];
    for (const size of sizes) await file.append(batchOf(1, [Buffer.from(`${'y'.repeat(size)}\n`)]));

    expect((await readAll(file)).map(({ body }) => body.length - 1)).toEqual(sizes);
    await file.close();
    expect((await openFile()).end.place).toBe(5);
  });

  it('refuses a batch of nothing', async () => {
    const file = await openFile();

    await expect(file.append({ at: 1, lines: 0, body: Buffer.alloc(0) })).rejects.toMatchObject({
      code: 'journal.batch_size',
    });
    await file.close();
  });

  it('is readable by its owner only', async () => {
    await written(1);

    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await stat(await only())).mode & 0o777).toBe(0o600);
  });
});

describe('what a crash leaves', () => {
  it('is taken away when the last write was cut at any byte', async () => {
    await written(3);
    const path = await only();
    const before = (await stat(path)).size;
    const file = await openFile();
    await file.append(batch('the last'));
    await file.close();
    const whole = await readFile(path);

    for (let size = before; size < whole.length; size += 1) {
      await writeFile(path, whole.subarray(0, size));
      const again = await openFile();
      expect(again.end.place).toBe(3);
      await again.append(batch('instead'));
      expect((await readAll(again)).map(({ body }) => Buffer.from(body).toString()).at(-1)).toContain(
        'instead',
      );
      await again.close();
    }
    expect(torn).toEqual(Array.from({ length: whole.length - before - 1 }, (_, n) => n + 1));
  });

  it('is taken away when the tail is zeros, whole or in part', async () => {
    await written(3);
    const path = await only();
    const before = (await stat(path)).size;
    const file = await openFile();
    await file.append(batch('the last'));
    await file.close();
    const whole = await readFile(path);

    for (let from = before; from < whole.length; from += 1) {
      await writeFile(path, Buffer.concat([whole.subarray(0, from), Buffer.alloc(whole.length - from)]));
      const again = await openFile();
      expect(again.end.place).toBe(3);
      await again.close();
    }
    // The first block of the frame is missing and the rest is there; its first three bytes are zeros anyway.
    for (let until = before + 4; until < whole.length; until += 1) {
      const bytes = Buffer.from(whole);
      bytes.fill(0, before, until);
      await writeFile(path, bytes);
      const again = await openFile();
      expect(again.end.place).toBe(3);
      await again.close();
    }
    await writeFile(path, Buffer.concat([whole, Buffer.alloc(5000)]));
    const padded = await openFile();
    expect(padded.end.place).toBe(4);
    await padded.close();
  });

  it('is a file without a whole head, when it was about to begin a new one', async () => {
    const end = await written(8, { maxFileBytes: 300 });
    const next = join(directory, `journal-${String(end.place).padStart(16, '0')}.log`);

    for (const head of [Buffer.alloc(0), Buffer.from('sallyport'), Buffer.alloc(67)]) {
      await writeFile(next, head);
      const again = await openFile({ maxFileBytes: 300 });
      expect(again.end.place).toBe(8);
      await again.append(batch('next'));
      expect((await readAll(again)).length).toBe(9);
      await again.close();
      await rm(next);
    }
    await rm(directory, { recursive: true });
    await mkdir(directory);
    await writeFile(join(directory, `journal-${'0'.repeat(16)}.log`), 'sal');
    const first = await openFile();
    expect(first.end.place).toBe(0);
    await first.append(batch('first'));
    await first.close();
    expect((await openFile()).end.place).toBe(1);
  });
});

describe('damage', () => {
  it('of any byte before the last frame is noticed at the start', async () => {
    await written(4);
    const path = await only();
    const whole = await readFile(path);
    const before = whole.length - 64 - batch(`4 ${'x'.repeat(4)}`).body.length;

    for (let at = 0; at < before; at += 1) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      await writeFile(path, bytes);
      await expect(openFile(), `byte ${at}`).rejects.toMatchObject(damaged);
    }
    expect(torn).toEqual([]);
    await writeFile(path, whole);
    expect((await openFile()).end.place).toBe(4);
  });

  it('of several frames, and bytes that were taken out or put in, are noticed', async () => {
    await written(20);
    const path = await only();
    const whole = await readFile(path);

    for (const bytes of [
      Buffer.concat([whole.subarray(0, 400), Buffer.alloc(512), whole.subarray(912)]),
      Buffer.concat([whole.subarray(0, 400), whole.subarray(600)]),
      Buffer.concat([whole.subarray(0, 400), Buffer.from('put in'), whole.subarray(400)]),
    ]) {
      await writeFile(path, bytes);
      await expect(openFile()).rejects.toMatchObject(damaged);
    }
  });

  it('of a file that was followed by another is noticed when it is read', async () => {
    await written(30, { maxFileBytes: 500 });
    const [, second = ''] = await names();
    const path = join(directory, second);
    const whole = await readFile(path);

    for (const bytes of [whole.subarray(0, whole.length - 1), Buffer.concat([whole, Buffer.alloc(9)])]) {
      await writeFile(path, bytes);
      const file = await openFile();
      await expect(readAll(file)).rejects.toMatchObject(damaged);
      await file.close();
    }
  });

  it('by removing or renaming a file is noticed when it is read', async () => {
    await written(30, { maxFileBytes: 500 });
    const [, second = '', third = '', fourth = ''] = await names();
    const kept = join(root, 'kept');
    await cp(directory, kept, { recursive: true });

    await rm(join(directory, second));
    let file = await openFile();
    await expect(readAll(file)).rejects.toMatchObject(cutShort);
    await file.close();
    await cp(join(kept, third), join(directory, second));
    await cp(join(kept, second), join(directory, fourth));
    file = await openFile();
    await expect(readAll(file)).rejects.toMatchObject({ kind: 'integrity' });
    await file.close();
  });

  it('by cutting whole frames off shows against the ledger, and the journal goes on behind them', async () => {
    const sealedTo = await written(9);
    const path = await only();
    const whole = await readFile(path);
    await truncate(path, whole.length - 64 - batch(`9 ${'x'.repeat(9)}`).body.length);

    const file = await openFile({ sealedTo });
    expect(file.end).toEqual({ ...sealedTo, lines: 0 });
    await file.append(batch('ten'));

    expect((await readAll(file, sealedTo)).map(({ place }) => place)).toEqual([10]);
    await expect(readAll(file)).rejects.toMatchObject({ ...cutShort, details: { from: 9, to: 9 } });
    await file.close();
    const again = await openFile({ sealedTo });
    expect(again.end.place).toBe(10);
    await again.close();
  });

  it('by cutting while it is in use is noticed by the next reader', async () => {
    const file = await openFile();
    for (let n = 0; n < 5; n += 1) await file.append(batch(`${n}`));
    const path = await only();
    const { size } = await stat(path);
    await truncate(path, size - 64 - batch('4').body.length);

    await expect(readAll(file)).rejects.toMatchObject(cutShort);
    await appendFile(path, Buffer.alloc(500, 7));
    await expect(readAll(file)).rejects.toMatchObject(damaged);
    await file.close();
  });
});

describe('a full disk', () => {
  it('refuses the batch, loses none before it, and goes on when there is room', async ({ skip }) => {
    const mounted = join(root, 'small');
    await mkdir(mounted);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', mounted]).status !== 0) {
      console.warn('SKIPPED: a small file system cannot be mounted here');
      skip();
    }
    try {
      directory = join(mounted, 'journal');
      const file = await openFile({ maxFileBytes: 9000 });
      const big = batchOf(1, [Buffer.from(`${'z'.repeat(4000)}\n`)]);
      let appended = 0;
      const fill = async (): Promise<void> => {
        for (;;) {
          await file.append(big);
          appended += 1;
        }
      };
      await expect(fill()).rejects.toMatchObject({ code: 'ENOSPC' });
      await expect(file.append(big)).rejects.toMatchObject({ code: 'ENOSPC' });
      expect((await readAll(file)).length).toBe(appended);
      const [first = ''] = await names();
      await rm(join(directory, first));

      await file.append(big);

      await file.close();
      const again = await openFile();
      expect(again.end.place).toBe(appended + 1);
      await again.close();
    } finally {
      spawnSync('umount', [mounted]);
    }
  });
});
