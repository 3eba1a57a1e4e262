import {
  concatBytes,
  equalBytes,
  noteSignatureLine,
  parseNote,
  utf8,
  verifyEd25519,
} from '@sallyport/formats';
import type { VerifierKey } from './verifier-key.ts';

/** A witness's word that it saw a checkpoint, and that it extends the one it saw before (c2sp.org/tlog-cosignature). */
export interface Cosignature {
  /** Seconds since 1970, by the witness. */
  readonly time: number;
  /** The signature line, with its newline. */
  readonly line: string;
}

/** What is signed: the note's text under a header with the time. */
function messageOf(noteText: string, time: number): Uint8Array {
  return utf8(`cosignature/v1\ntime ${time}\n${noteText}`);
}

export function cosign(
  noteText: string,
  time: number,
  key: VerifierKey,
  sign: (bytes: Uint8Array) => Uint8Array,
): Cosignature {
  const stamp = new Uint8Array(8);
  new DataView(stamp.buffer).setBigUint64(0, BigInt(time));
  const signature = concatBytes(stamp, sign(messageOf(noteText, time)));
  return { time, line: noteSignatureLine(key.name, key.keyHash, signature) };
}

/** The cosignature of `key` among `lines`, when there is one and it holds. */
export function findCosignature(noteText: string, lines: string, key: VerifierKey): Cosignature | undefined {
  for (const { name, keyHash, signature } of parseNote(`${noteText}\n${lines}`).signatures) {
    if (name !== key.name || !equalBytes(keyHash, key.keyHash) || signature.length !== 72) continue;
    const time = Number(new DataView(signature.buffer, signature.byteOffset, 8).getBigUint64(0));
    if (!Number.isSafeInteger(time)) continue;
    if (!verifyEd25519(key.publicKey, messageOf(noteText, time), signature.slice(8))) continue;
    return { time, line: noteSignatureLine(name, keyHash, signature) };
  }
  return undefined;
}
