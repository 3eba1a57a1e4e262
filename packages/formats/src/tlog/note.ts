import { concatBytes, fromUtf8, utf8 } from '../bytes/bytes.ts';
import { fromBase64, toBase64 } from '../bytes/encodings.ts';
import { sha256 } from '../crypto/sha256.ts';
import { ed25519Raw } from '../crypto/signatures.ts';
import { Fault, isFault } from '../fault.ts';

/** A signed note (c2sp.org/signed-note v1.0.0): the text that is signed, and its signatures. */
export interface Note {
  /** With its last newline: exactly what is signed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export interface NoteSignature {
  readonly name: string;
  /** The first four bytes of the key id. */
  readonly keyHash: Uint8Array;
  readonly signature: Uint8Array;
}

/** The Ed25519 signature type of c2sp.org/signed-note. */
const ed25519Type = 1;
const maxNoteBytes = 1_000_000;
const maxSignatures = 16;

/**
 * The id of an Ed25519 note key: SHA-256(name, newline, type, key). The first four bytes go into signature lines, all
 * 32 are the `logId.keyId` of Sigstore. `publicKey` is the SubjectPublicKeyInfo.
 */
export function checkpointKeyId(name: string, publicKey: Uint8Array): Uint8Array {
  checkKeyName(name);
  return sha256(utf8(name), Uint8Array.of(0x0a, ed25519Type), ed25519Raw(publicKey));
}

/** A signature line, `— name base64(key hash, signature)`. */
export function noteSignatureLine(name: string, keyId: Uint8Array, signature: Uint8Array): string {
  checkKeyName(name);
  return `\u2014 ${name} ${toBase64(concatBytes(keyId.subarray(0, 4), signature))}\n`;
}

/** Reads a signed note strictly. Says nothing of whether a signature is valid. */
export function parseNote(note: string): Note {
  try {
    return readNote(note);
  } catch (cause) {
    if (isFault(cause) && cause.code === 'formats.note') throw cause;
    throw new Fault(
      'invalid',
      'formats.note',
      'expected a signed note (c2sp.org/signed-note), got other text',
      {
        cause,
      },
    );
  }
}

function readNote(note: string): Note {
  if (note.length > maxNoteBytes) throw refused(`more than ${maxNoteBytes} characters`);
  // utf8 refuses lone surrogates; the round trip keeps what is signed and what is read the same bytes.
  if (fromUtf8(utf8(note)) !== note) throw refused('text that does not survive UTF-8');
  for (let i = 0; i < note.length; i++) {
    if (note.charCodeAt(i) < 0x20 && note[i] !== '\n') throw refused('a control character');
  }
  // The last empty line separates, so that the text itself may contain empty lines.
  const split = note.lastIndexOf('\n\n');
  if (split < 0) throw refused('no empty line before the signatures');
  const block = note.slice(split + 2);
  if (block === '' || !block.endsWith('\n')) throw refused('a signature block without a final newline');
  const lines = block.slice(0, -1).split('\n');
  if (lines.length > maxSignatures) throw refused(`more than ${maxSignatures} signatures`);
  return { text: note.slice(0, split + 1), signatures: lines.map(readSignature) };
}

function readSignature(line: string): NoteSignature {
  const match = /^\u2014 (\S+) (\S+)$/u.exec(line);
  const [, name, encoded] = match ?? [];
  if (name === undefined || encoded === undefined) throw refused('a malformed signature line');
  checkKeyName(name);
  const bytes = fromBase64(encoded);
  if (bytes.length < 5) throw refused('a signature without a key hash');
  return { name, keyHash: bytes.slice(0, 4), signature: bytes.slice(4) };
}

function checkKeyName(name: string): void {
  if (name === '' || name.length > 255 || /[\s+\p{Cc}]/u.test(name)) {
    throw refused('a key name that is empty, longer than 255, or contains a space, control character or "+"');
  }
}

function refused(got: string): Fault {
  return new Fault('invalid', 'formats.note', `expected a signed note (c2sp.org/signed-note), got ${got}`);
}
