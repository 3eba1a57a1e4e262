import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Fault } from '@sallyport/formats';
import {
  type AuditBatch,
  chainSizeBytes,
  type Link,
  linkAfter,
  type PlacedBatch,
  sameChain,
} from './batch.ts';

/**
 * The bytes of a journal file. A head: `"sallyport journal 1\n" || u64 place || chain || check`, of what comes before its
 * first frame. Then frames, one for each batch: `u32 size || u32 lines || u64 place || u64 at || check || chain || body`.
 * `check` is the first 8 bytes of SHA-256 over what stands before it, and `chain` as `linkAfter` makes it. Numbers are
 * big-endian.
 */
const magic = Buffer.from('sallyport journal 1\n');
const checkBytes = 8;
const fileHeadCheckedBytes = magic.length + 8 + chainSizeBytes;
export const fileHeadBytes = fileHeadCheckedBytes + checkBytes;

const checkedBytes = 24;
const frameHeadBytes = checkedBytes + checkBytes + chainSizeBytes;

/** More than one batch can have, see `maxAuditBytes` of the lane. */
export const maxBodyBytes = 600 * 1024 * 1024;

const chunkBytes = 1024 * 1024;

export function encodeFileHead({ place, chain }: Link): Buffer {
  const head = Buffer.alloc(fileHeadBytes);
  magic.copy(head);
  head.writeBigUInt64BE(BigInt(place), magic.length);
  head.set(chain, magic.length + 8);
  head.set(checkOf(head.subarray(0, fileHeadCheckedBytes)), fileHeadCheckedBytes);
  return head;
}

/** `undefined` when the head is cut off or not one. */
export async function readFileHead(file: FileHandle): Promise<Link | undefined> {
  const head = await readAt(file, 0, fileHeadBytes);
  if (head.length < fileHeadBytes || !head.subarray(0, magic.length).equals(magic)) return undefined;
  const checked = head.subarray(0, fileHeadCheckedBytes);
  if (!checkOf(checked).equals(head.subarray(fileHeadCheckedBytes))) return undefined;
  const place = Number(head.readBigUInt64BE(magic.length));
  return { place, chain: Uint8Array.from(checked.subarray(magic.length + 8)) };
}

export function encodeFrame({ place, chain }: Link, { at, lines, body }: AuditBatch): Buffer {
  const frame = Buffer.allocUnsafe(frameHeadBytes + body.length);
  frame.writeUInt32BE(body.length, 0);
  frame.writeUInt32BE(lines, 4);
  frame.writeBigUInt64BE(BigInt(place), 8);
  frame.writeBigUInt64BE(BigInt(at), 16);
  frame.set(checkOf(frame.subarray(0, checkedBytes)), checkedBytes);
  frame.set(chain, checkedBytes + checkBytes);
  frame.set(body, frameHeadBytes);
  return frame;
}

export interface Frame extends PlacedBatch {
  /** Where the next frame begins. */
  readonly end: number;
}

/**
 * The whole frames from `offset` up to `sizeBytes`, each checked against the chain from `link` on. Ends before the first
 * that is not whole; what that means, `isTorn` says.
 */
export async function* readFrames(
  file: FileHandle,
  offset: number,
  sizeBytes: number,
  link: Link,
): AsyncGenerator<Frame, void> {
  let last = link;
  let chunk: Buffer = Buffer.alloc(0);
  let at = 0;
  for (let begin = offset; ; ) {
    if (chunk.length - at < frameHeadBytes) {
      chunk = await readAt(file, begin, Math.min(chunkBytes, sizeBytes - begin));
      at = 0;
    }
    const head = headAt(chunk, at);
    if (head === undefined || begin + frameHeadBytes + head.size > sizeBytes) return;
    if (chunk.length - at < frameHeadBytes + head.size) {
      chunk = await readAt(
        file,
        begin,
        Math.max(frameHeadBytes + head.size, Math.min(chunkBytes, sizeBytes - begin)),
      );
      at = 0;
    }
    const chain = chunk.subarray(at + checkedBytes + checkBytes, at + frameHeadBytes);
    const body = chunk.subarray(at + frameHeadBytes, at + frameHeadBytes + head.size);
    const next = linkAfter(last, { at: head.at, lines: head.lines, body });
    if (head.place !== next.place || !sameChain(next.chain, chain)) return;
    last = next;
    at += frameHeadBytes + head.size;
    begin += frameHeadBytes + head.size;
    yield { ...next, at: head.at, lines: head.lines, body, end: begin };
  }
}

/**
 * Whether what follows the last whole frame is what a crash leaves: at most one frame, whose write never ended. Each
 * frame is durable before the next begins, so a frame that stands after a damaged one shows that somebody damaged it.
 *
 * KNOWN LIMIT: damage in the very last frame looks like a torn write. It is taken for one, unless the ledger has
 * that place already.
 */
export async function isTorn(
  file: FileHandle,
  offset: number,
  sizeBytes: number,
  place: number,
): Promise<boolean> {
  const rest = await readAt(file, offset, sizeBytes - offset);
  const own = headAt(rest, 0);
  if (own !== undefined && frameHeadBytes + own.size < rest.length) return false;
  for (let at = 1; at + frameHeadBytes <= rest.length; at += 1) {
    // Audit is text without zero bytes, so nearly every offset ends here.
    if (rest[at + 8] !== 0) continue;
    const head = headAt(rest, at);
    if (head !== undefined && head.place > place + 1) return false;
  }
  return true;
}

function headAt(
  chunk: Buffer,
  offset: number,
): { size: number; lines: number; place: number; at: number } | undefined {
  if (chunk.length - offset < frameHeadBytes) return undefined;
  const size = chunk.readUInt32BE(offset);
  const place = chunk.readBigUInt64BE(offset + 8);
  const at = chunk.readBigUInt64BE(offset + 16);
  if (size === 0 || size > maxBodyBytes || place > maxNumber || at > maxNumber) return undefined;
  const checkAt = offset + checkedBytes;
  const check = chunk.subarray(checkAt, checkAt + checkBytes);
  if (!checkOf(chunk.subarray(offset, checkAt)).equals(check)) return undefined;
  return { size, lines: chunk.readUInt32BE(offset + 4), place: Number(place), at: Number(at) };
}

const maxNumber = BigInt(Number.MAX_SAFE_INTEGER);

function checkOf(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest().subarray(0, checkBytes);
}

/** As much of `sizeBytes` as the file has. */
async function readAt(file: FileHandle, offset: number, sizeBytes: number): Promise<Buffer> {
  const bytes = Buffer.alloc(Math.max(0, sizeBytes));
  let read = 0;
  while (read < bytes.length) {
    const { bytesRead } = await file.read(bytes, read, bytes.length - read, offset + read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return bytes.subarray(0, read);
}

export function damagedFile(path: string, place: number, cause?: unknown): Fault {
  return new Fault(
    'integrity',
    'journal.file_damaged',
    `the audit journal "${path}" is not as it was written from batch ${place + 1} on`,
    { hint: 'restore the file from a backup', details: { place: place + 1 }, cause },
  );
}
