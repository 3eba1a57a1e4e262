import { bodyAt, packedOverheadBytes, wrappedAt } from './packed-record.ts';

/** Of plaintext; what is longer is worth a decryption. */
const maxKeptBytes = 512;
/** Two generations of so many, of some 700 bytes each mostly: about a megabyte for a scope that is busy. */
const perGeneration = 1024;

/**
 * What records that were opened lately were encrypted with: the stream that AES-CTR, inside of GCM, made of key and
 * nonce. Whoever reads such a record again has no cipher to set up, which takes longer than all else about it. A stream
 * opens nothing but its own record, and like a key it says nothing without it.
 *
 * GCM's tag was checked when the record was opened; so only the very same bytes, at the same address, are opened again.
 */
export interface KeyStreams {
  /** The plaintext, which the caller wipes; undefined for what was not opened lately. */
  open(address: string, sealed: Uint8Array): Buffer | undefined;
  /** `plaintext` is what `sealed` holds at this address. */
  keep(address: string, sealed: Uint8Array, plaintext: Uint8Array): void;
  wipe(): void;
}

interface Kept {
  readonly address: string;
  readonly sealed: Buffer;
  readonly stream: Buffer;
}

export function createKeyStreams(): KeyStreams {
  let young = new Map<number, Kept>();
  let old = new Map<number, Kept>();

  function find(key: number): Kept | undefined {
    const kept = young.get(key);
    if (kept !== undefined) return kept;
    const aged = old.get(key);
    if (aged === undefined) return undefined;
    old.delete(key);
    add(key, aged);
    return aged;
  }

  /** What was not asked for during a whole generation goes. */
  function add(key: number, kept: Kept): void {
    if (young.size >= perGeneration) {
      wipeAll(old);
      old = young;
      young = new Map();
    }
    young.set(key, kept);
  }

  return {
    open(address, sealed) {
      if (sealed.length > packedOverheadBytes + maxKeptBytes) return undefined;
      const kept = find(keyOf(sealed));
      if (kept === undefined || kept.address !== address || !kept.sealed.equals(sealed)) return undefined;
      return combine(kept.stream, sealed, Buffer.allocUnsafe(kept.stream.length));
    },
    keep(address, sealed, plaintext) {
      if (plaintext.length > maxKeptBytes) return;
      const key = keyOf(sealed);
      young.get(key)?.stream.fill(0);
      // Memory of its own: a piece of Node's pool would keep all that was in the pool with it.
      const memory = Buffer.allocUnsafeSlow(sealed.length + plaintext.length);
      memory.set(sealed);
      const stream = combine(plaintext, sealed, memory.subarray(sealed.length));
      add(key, { address, sealed: memory.subarray(0, sealed.length), stream });
    },
    wipe() {
      wipeAll(young);
      wipeAll(old);
    },
  };
}

/** `bytes` and the ciphertext, which is as long, bit by bit: of a stream the plaintext, and the other way round. */
function combine(bytes: Uint8Array, sealed: Uint8Array, into: Buffer): Buffer {
  for (let at = 0; at < bytes.length; at += 1) into[at] = (bytes[at] ?? 0) ^ (sealed[bodyAt + at] ?? 0);
  return into;
}

/** 48 bits of the wrapping's nonce, which is random. */
function keyOf(sealed: Uint8Array): number {
  let key = 0;
  for (let at = wrappedAt; at < wrappedAt + 6; at += 1) key = key * 256 + (sealed[at] ?? 0);
  return key;
}

function wipeAll(generation: Map<number, Kept>): void {
  for (const { stream } of generation.values()) stream.fill(0);
  generation.clear();
}
