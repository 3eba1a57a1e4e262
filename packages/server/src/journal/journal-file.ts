import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '@sallyport/formats';
import type { AuditBatch } from './store.ts';

/**
 * The audit of batches that change no state, on the embedded server: frames in files, each durable before `append`
 * resolves (the file is opened with O_DSYNC: one call to the system per batch). A frame is
 * `u32 size of body || u32 lines || u64 place || SHA-256(previous chain || body) || body`.
 */
export interface JournalFile {
  /** How many frames there are, in all files. */
  readonly place: number;
  readonly chain: Uint8Array;
  append(batch: AuditBatch): Promise<void>;
  /** Frames after `place`, in order, each checked against the chain. */
  read(afterPlace: number): AsyncGenerator<Frame>;
  close(): Promise<void>;
}

export interface Frame extends AuditBatch {
  readonly place: number;
  readonly chain: Uint8Array;
}

const magic = Buffer.from('sallyport journal 1\n');
const headSizeBytes = magic.length + 8 + 32;
const frameHeadBytes = 4 + 4 + 8 + 32;
const maxBodyBytes = 64 * 1024 * 1024;
const maxFileBytes = 64 * 1024 * 1024;
const namePattern = /^journal-(\d{12})\.log$/;

export const emptyChain: Uint8Array = new Uint8Array(32);

export function nextChain(chain: Uint8Array, body: Uint8Array): Buffer {
  return createHash('sha256').update(chain).update(body).digest();
}

export async function openJournalFile(directory: string): Promise<JournalFile> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const names = await fileNames(directory);
  let place = 0;
  let chain = emptyChain;
  let file: FileHandle;
  let offset: number;

  const last = names.at(-1);
  if (last === undefined) {
    ({ file, offset } = await createFile(directory, place, chain));
  } else {
    const scanned = await scan(join(directory, last));
    if (scanned === undefined) {
      // A crash while the file was made: it holds nothing yet, and what it should begin with is in the one before.
      const before = names.at(-2);
      const end = before === undefined ? undefined : await scan(join(directory, before));
      if (before !== undefined && end === undefined) throw damagedFile(before);
      place = end?.place ?? 0;
      chain = end?.chain ?? emptyChain;
      ({ file, offset } = await createFile(directory, place, chain, last));
    } else {
      ({ place, chain } = scanned);
      offset = scanned.endBytes;
      file = await open(join(directory, last), constants.O_RDWR | constants.O_DSYNC);
      // What follows the last whole frame was never acknowledged: an answer waits for the whole of its frame.
      await file.truncate(offset);
    }
  }
  /** Set when a failed write could not be taken back: appending after it would hide everything that follows. */
  let broken: unknown;

  async function append(batch: AuditBatch): Promise<void> {
    if (broken !== undefined) throw brokenFile(broken);
    if (offset >= maxFileBytes) await rotate();
    const next = nextChain(chain, batch.body);
    const frame = Buffer.allocUnsafe(frameHeadBytes + batch.body.length);
    frame.writeUInt32BE(batch.body.length, 0);
    frame.writeUInt32BE(batch.lines, 4);
    frame.writeBigUInt64BE(BigInt(place + 1), 8);
    frame.set(next, 16);
    frame.set(batch.body, frameHeadBytes);
    try {
      let written = 0;
      while (written < frame.length) {
        const { bytesWritten } = await file.write(frame, written, frame.length - written, offset + written);
        written += bytesWritten;
      }
    } catch (error) {
      await file.truncate(offset).catch((failed: unknown) => {
        broken = failed;
      });
      throw error;
    }
    offset += frame.length;
    place += 1;
    chain = next;
  }

  async function rotate(): Promise<void> {
    const made = await createFile(directory, place, chain);
    await file.close();
    ({ file, offset } = made);
  }

  return {
    get place() {
      return place;
    },
    get chain() {
      return chain;
    },
    append,
    async *read(afterPlace) {
      const all = await fileNames(directory);
      const firstAfter = all.findIndex((name) => firstPlace(name) > afterPlace);
      const from = Math.max(0, (firstAfter < 0 ? all.length : firstAfter) - 1);
      const until = place;
      for (const name of all.slice(from)) {
        for await (const frame of frames(join(directory, name))) {
          // A frame that is just being written is not there yet.
          if (frame.place > until) return;
          if (frame.place > afterPlace) yield frame;
        }
      }
    },
    close: () => file.close(),
  };
}

async function fileNames(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => namePattern.test(name)).sort();
}

/** The place before the first frame of the file. */
function firstPlace(name: string): number {
  return Number(namePattern.exec(name)?.[1]);
}

async function createFile(
  directory: string,
  place: number,
  chain: Uint8Array,
  over?: string,
): Promise<{ file: FileHandle; offset: number }> {
  const name = over ?? `journal-${String(place).padStart(12, '0')}.log`;
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC | constants.O_DSYNC;
  const file = await open(join(directory, name), flags, 0o600);
  const head = Buffer.alloc(headSizeBytes);
  magic.copy(head);
  head.writeBigUInt64BE(BigInt(place), magic.length);
  head.set(chain, magic.length + 8);
  await file.write(head, 0, head.length, 0);
  const folder = await open(directory, constants.O_RDONLY);
  // The name itself must survive: without this a crash can leave a durable file that nobody can find.
  await folder.sync();
  await folder.close();
  return { file, offset: headSizeBytes };
}

/** Where the last whole frame ends. `undefined`: not even the head of the file is whole. */
async function scan(
  path: string,
): Promise<{ place: number; chain: Uint8Array; endBytes: number } | undefined> {
  const end = { place: 0, chain: emptyChain, endBytes: headSizeBytes };
  const head = await readHead(path);
  if (head === undefined) return undefined;
  Object.assign(end, head);
  for await (const frame of frames(path)) {
    end.place = frame.place;
    end.chain = frame.chain;
    end.endBytes += frameHeadBytes + frame.body.length;
  }
  return end;
}

async function readHead(path: string): Promise<{ place: number; chain: Uint8Array } | undefined> {
  const file = await open(path, 'r');
  try {
    const head = Buffer.alloc(headSizeBytes);
    const { bytesRead } = await file.read(head, 0, headSizeBytes, 0);
    if (bytesRead < headSizeBytes || !head.subarray(0, magic.length).equals(magic)) return undefined;
    return {
      place: Number(head.readBigUInt64BE(magic.length)),
      chain: Uint8Array.from(head.subarray(magic.length + 8)),
    };
  } finally {
    await file.close();
  }
}

/**
 * The whole frames of one file. A frame that is cut off, or does not hash, at the very end is what a crash leaves;
 * anywhere else it is damage, which must not pass for an end.
 */
async function* frames(path: string): AsyncGenerator<Frame> {
  const head = await readHead(path);
  if (head === undefined) throw damagedFile(path);
  let { place, chain } = head;
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    let at = headSizeBytes;
    const frameHead = Buffer.alloc(frameHeadBytes);
    while (at + frameHeadBytes <= size) {
      await file.read(frameHead, 0, frameHeadBytes, at);
      const sizeBytes = frameHead.readUInt32BE(0);
      const end = at + frameHeadBytes + sizeBytes;
      if (sizeBytes > maxBodyBytes || end > size) {
        if (end > size) return;
        throw damagedFile(path);
      }
      const body = Buffer.alloc(sizeBytes);
      await file.read(body, 0, sizeBytes, at + frameHeadBytes);
      const next = nextChain(chain, body);
      const whole = next.equals(frameHead.subarray(16)) && Number(frameHead.readBigUInt64BE(8)) === place + 1;
      if (!whole) {
        if (end === size || sizeBytes === 0) return;
        throw damagedFile(path);
      }
      place += 1;
      chain = next;
      yield { place, chain, body, lines: frameHead.readUInt32BE(4) };
      at = end;
    }
  } finally {
    await file.close();
  }
}

function damagedFile(path: string): Fault {
  return new Fault('integrity', 'journal.file_damaged', `the audit journal "${path}" is not as it was written`, {
    hint: 'restore the file from a backup; "sally audit verify" says from which record on it differs',
  });
}

function brokenFile(cause: unknown): Fault {
  return new Fault('unavailable', 'journal.file_broken', 'the audit journal cannot be written any more', {
    hint: 'look at the disk, then start the server again',
    cause,
  });
}
