import { constants, write } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '@sallyport/formats';
import { type AuditBatch, type Link, linkAfter, noLink, type PlacedBatch, sameChain } from './batch.ts';
import {
  damagedFile,
  encodeFileHead,
  encodeFrame,
  fileHeadBytes,
  isTorn,
  maxBodyBytes,
  readFileHead,
  readFrames,
} from './journal-frames.ts';

/**
 * The audit of batches that change no state, on a server that is alone with its database: frames in files, each durable
 * before `append` resolves (the file is opened with O_DSYNC: one call to the system per batch). One caller appends,
 * others may read meanwhile.
 */
export interface JournalFile {
  /** The last batch, and how many lines were appended since the file was opened. */
  readonly end: End;
  append(batch: AuditBatch): Promise<void>;
  /**
   * Batches after a place, in order, each checked against the chain, and against the chain at that place if it is
   * given. Throws `journal.file_damaged`, or `journal.file_cut` (with `details.to`) where batches are missing.
   */
  read(after: Known): AsyncGenerator<PlacedBatch, void>;
  close(): Promise<void>;
}

export interface End extends Link {
  readonly lines: number;
}

interface Known {
  readonly place: number;
  readonly chain?: Uint8Array;
}

export interface JournalFileDeps {
  readonly directory: string;
  /** A file that has this much is followed by a new one. */
  readonly maxFileBytes: number;
  /** What the ledger says; when the files say less, the journal goes on from there, and what is missing stays missing. */
  readonly sealedTo: Link;
  /** Hears how many bytes of a torn write were taken away at the start. */
  readonly onTorn: (sizeBytes: number) => void;
}

const namePattern = /^journal-(\d{16})\.log$/;

export async function openJournalFile(deps: JournalFileDeps): Promise<JournalFile> {
  const { directory, maxFileBytes, sealedTo, onTorn } = deps;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const last = await openLast();
  let { file, offset } = last;
  let end: End = { ...last.end, lines: 0 };
  /** Where reading got to, so that a reader that comes back does not begin at the head of a file. */
  let reached: { readonly link: Link; readonly name: string; readonly offset: number } | undefined;
  /** Set when a failed write could not be taken back: appending after it would hide everything that follows. */
  let broken: unknown;

  async function openLast(): Promise<{ end: Link; file: FileHandle; offset: number }> {
    const names = await fileNames(directory);
    const last = names.at(-1);
    let end = noLink;
    if (last !== undefined) {
      const opened = await openEnd(directory, last, onTorn);
      if (opened !== undefined && opened.end.place >= sealedTo.place) return opened;
      await opened?.file.close();
      // A crash while the file was made: it holds nothing yet, and what it should begin with is in the one before.
      if (opened === undefined) await unlink(join(directory, last));
      end = opened?.end ?? (await endOf(directory, names.at(-2)));
    }
    if (end.place < sealedTo.place) end = sealedTo;
    return { end, ...(await createFile(directory, end)) };
  }

  async function append(batch: AuditBatch): Promise<void> {
    if (broken !== undefined) throw brokenFile(broken);
    if (batch.body.length === 0 || batch.body.length > maxBodyBytes) throw badBody(batch.body.length);
    if (offset >= maxFileBytes && offset > fileHeadBytes) await rotate();
    const next = { ...linkAfter(end, batch), lines: end.lines + batch.lines };
    const frame = encodeFrame(next, batch);
    try {
      for (let written = 0; written < frame.length; ) {
        written += await writeSome(file, frame, written, offset + written);
      }
    } catch (error) {
      await takeBack();
      throw error;
    }
    offset += frame.length;
    end = next;
  }

  async function takeBack(): Promise<void> {
    try {
      await file.truncate(offset);
      await file.datasync();
    } catch (error) {
      broken = error;
    }
  }

  async function rotate(): Promise<void> {
    const made = await createFile(directory, end);
    await file.close();
    ({ file, offset } = made);
  }

  async function* read(after: Known): AsyncGenerator<PlacedBatch, void> {
    const until = end.place;
    const all = await fileNames(directory);
    const later = all.findIndex((name) => firstPlace(name) > after.place);
    let last = after;
    for (const name of all.slice(Math.max(0, (later < 0 ? all.length : later) - 1))) {
      // What follows is being written: a new file may not even have its head.
      if (last.place >= until) return;
      const path = join(directory, name);
      const source = await open(path, 'r');
      try {
        const head = await readFileHead(source);
        if (head === undefined) throw damagedFile(path, last.place);
        if (head.place > last.place) throw cut(last.place, head.place);
        const known = reached?.name === name && reached.link.place <= after.place ? reached : undefined;
        const { size } = await source.stat();
        let here = known ?? { link: head, name, offset: fileHeadBytes };
        if (here.link.place === last.place) requireSame(path, here.link, last);
        for await (const frame of readFrames(source, here.offset, size, here.link)) {
          if (frame.place > until) return;
          here = {
            link: { place: frame.place, chain: Uint8Array.from(frame.chain) },
            name,
            offset: frame.end,
          };
          if (frame.place === last.place) requireSame(path, frame, last);
          if (frame.place <= last.place) continue;
          last = here.link;
          reached = here;
          yield frame;
        }
        if (here.link.place < until && here.offset < size) throw damagedFile(path, here.link.place);
      } finally {
        await source.close();
      }
    }
    if (last.place < until) throw cut(last.place, until);
  }

  return {
    get end() {
      return end;
    },
    append,
    read,
    close: () => file.close(),
  };
}

/** Gives how many bytes; with a callback, because `FileHandle.write` takes three promises for each batch. */
function writeSome(file: FileHandle, bytes: Buffer, from: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(file.fd, bytes, from, bytes.length - from, position, (error, written) => {
      if (error === null) resolve(written);
      else reject(error);
    });
  });
}

async function fileNames(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => namePattern.test(name)).sort();
}

/** The place before the first frame of the file. */
function firstPlace(name: string): number {
  return Number(namePattern.exec(name)?.[1]);
}

async function createFile(directory: string, end: Link): Promise<{ file: FileHandle; offset: number }> {
  const name = `journal-${String(end.place).padStart(16, '0')}.log`;
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC | constants.O_DSYNC;
  const file = await open(join(directory, name), flags, 0o600);
  try {
    const head = encodeFileHead(end);
    const { bytesWritten } = await file.write(head, 0, head.length, 0);
    if (bytesWritten !== head.length) throw new Error('the head of the file was not written whole');
    const folder = await open(directory, constants.O_RDONLY);
    // The name itself must survive: without this a crash can leave a durable file that nobody can find.
    await folder.sync().finally(() => folder.close());
    return { file, offset: fileHeadBytes };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Opens a file for appending after its last whole frame. `undefined`: not even its head is whole. Without `onTorn` the
 * file was followed by another, and everything in it has to be whole.
 */
async function openEnd(
  directory: string,
  name: string,
  onTorn?: (sizeBytes: number) => void,
): Promise<{ end: Link; file: FileHandle; offset: number } | undefined> {
  const path = join(directory, name);
  const file = await open(path, constants.O_RDWR | constants.O_DSYNC);
  try {
    const { size } = await file.stat();
    const head = await readFileHead(file);
    if (head === undefined && size <= fileHeadBytes) {
      await file.close();
      return undefined;
    }
    if (head === undefined || head.place !== firstPlace(name)) throw damagedFile(path, firstPlace(name));
    let end: Link = head;
    let offset = fileHeadBytes;
    for await (const frame of readFrames(file, offset, size, head)) {
      end = { place: frame.place, chain: Uint8Array.from(frame.chain) };
      offset = frame.end;
    }
    if (offset < size) {
      const torn = onTorn !== undefined && (await isTorn(file, offset, size, end.place));
      if (!torn) throw damagedFile(path, end.place);
      // What follows the last whole frame was never acknowledged: an answer waits for the whole of its frame.
      onTorn(size - offset);
      await file.truncate(offset);
      await file.datasync();
    }
    return { end, file, offset };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function endOf(directory: string, name: string | undefined): Promise<Link> {
  if (name === undefined) return noLink;
  const opened = await openEnd(directory, name);
  if (opened === undefined) throw damagedFile(join(directory, name), firstPlace(name));
  await opened.file.close();
  return opened.end;
}

function requireSame(path: string, found: Link, expected: Known): void {
  if (expected.chain !== undefined && !sameChain(found.chain, expected.chain))
    throw damagedFile(path, found.place - 1);
}

function cut(place: number, next: number): Fault {
  return new Fault(
    'integrity',
    'journal.file_cut',
    `expected batch ${place + 1} next in the audit journal, found what follows batch ${next}`,
    {
      hint: 'a journal file was cut, replaced or removed; restore it from a backup',
      details: { from: place + 1, to: next },
    },
  );
}

function badBody(sizeBytes: number): Fault {
  return new Fault(
    'internal',
    'journal.batch_size',
    `expected a batch of 1 to ${maxBodyBytes} bytes, got ${sizeBytes}`,
  );
}

function brokenFile(cause: unknown): Fault {
  return new Fault('unavailable', 'journal.file_broken', 'the audit journal cannot be written any more', {
    hint: 'look at the disk, then start the server again',
    cause,
  });
}
