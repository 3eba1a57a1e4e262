import { createHash } from 'node:crypto';

/** The audit of some requests, made durable together. */
export interface AuditBatch {
  /** The moment they were decided at, milliseconds since the epoch. */
  readonly at: number;
  /** JSON lines, each ended by a newline. */
  readonly body: Uint8Array;
  readonly lines: number;
}

/** A batch at its place in the order of its source, from 1 on, with the chain over it and all before it. */
export interface PlacedBatch extends AuditBatch {
  readonly place: number;
  readonly chain: Uint8Array;
}

/** A place in the order of batches, and the chain over all batches up to it. */
export type Link = Pick<PlacedBatch, 'place' | 'chain'>;

/** The two places of audit: batches that changed nothing on a server that is alone, and all others. */
export type AuditSource = 'file' | 'table';

const newline = 0x0a;

export const chainSizeBytes = 32;

export const noLink: Link = { place: 0, chain: new Uint8Array(chainSizeBytes) };

export function batchOf(at: number, audit: readonly Buffer[]): AuditBatch {
  // One decision may leave several lines in one buffer.
  let lines = 0;
  for (const each of audit) lines += countLines(each);
  const body = audit.length === 1 && audit[0] !== undefined ? audit[0] : Buffer.concat(audit);
  return { at, lines, body };
}

/** `SHA-256(previous chain || u64 at || u32 lines || body)`. */
export function linkAfter({ place, chain }: Link, { at, lines, body }: AuditBatch): Link {
  const head = Buffer.alloc(12);
  head.writeBigUInt64BE(BigInt(at), 0);
  head.writeUInt32BE(lines, 8);
  return { place: place + 1, chain: createHash('sha256').update(chain).update(head).update(body).digest() };
}

export function sameChain(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

export function countLines(body: Uint8Array): number {
  let lines = 0;
  for (let at = body.indexOf(newline); at >= 0; at = body.indexOf(newline, at + 1)) lines += 1;
  return lines;
}

/** The lines without their newlines. */
export function* linesOf(body: Uint8Array): Generator<Buffer> {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  let from = 0;
  for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, from)) {
    yield bytes.subarray(from, at);
    from = at + 1;
  }
}
