import { equalBytes, utf8 } from '../bytes/bytes.ts';
import { fromBase64, toBase64 } from '../bytes/encodings.ts';
import { verifyEd25519 } from '../crypto/signatures.ts';
import { Fault } from '../fault.ts';
import { checkpointKeyId, type NoteSignature, noteSignatureLine, parseNote } from './note.ts';

/** The state of a log at one moment (c2sp.org/tlog-checkpoint v1.0.0). */
export interface Checkpoint {
  readonly origin: string;
  readonly treeSize: number;
  readonly rootHash: Uint8Array;
}

export interface ParsedCheckpoint extends Checkpoint {
  /** Extension lines; signed like the rest. */
  readonly extensions: readonly string[];
  /** Exactly the text that the signatures are over. */
  readonly signedText: string;
  readonly signatures: readonly NoteSignature[];
}

export interface CheckpointKey {
  readonly name: string;
  /** Ed25519 key as SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
}

/** The text of a checkpoint that its signatures are over. */
export function checkpointText(checkpoint: Checkpoint): string {
  const { origin, treeSize, rootHash } = checkpoint;
  if (origin === '' || /[\p{Cc}\s]/u.test(origin) || !Number.isSafeInteger(treeSize) || treeSize < 0) {
    throw refused('an origin or tree size that cannot be written');
  }
  if (rootHash.length !== 32) throw refused(`a root hash of ${rootHash.length} bytes`);
  return `${origin}\n${treeSize}\n${toBase64(rootHash)}\n`;
}

/**
 * Signs a checkpoint with one Ed25519 key. `sign` is given the note text; what it returns is checked against
 * `publicKey`, so a mixed-up key is found here and not by the first reader.
 */
export function signCheckpoint(
  checkpoint: Checkpoint,
  name: string,
  sign: (bytes: Uint8Array) => Uint8Array,
  publicKey: Uint8Array,
): string {
  const text = checkpointText(checkpoint);
  const signature = sign(utf8(text));
  if (!verifyEd25519(publicKey, utf8(text), signature)) {
    throw new Fault('internal', 'formats.checkpoint_signer', 'the signature is not by the given log key');
  }
  return `${text}\n${noteSignatureLine(name, checkpointKeyId(name, publicKey), signature)}`;
}

/** Reads a checkpoint strictly. Says nothing of whether a signature is valid: use `verifyCheckpoint`. */
export function parseCheckpoint(text: string): ParsedCheckpoint {
  const note = parseNote(text);
  const [origin, size, root, ...rest] = note.text.split('\n');
  const extensions = rest.slice(0, -1);
  if (
    origin === undefined ||
    origin === '' ||
    size === undefined ||
    root === undefined ||
    rest.at(-1) !== ''
  ) {
    throw refused('fewer lines');
  }
  if (!/^(0|[1-9][0-9]{0,15})$/.test(size) || !Number.isSafeInteger(Number(size)))
    throw refused('another tree size');
  if (extensions.includes('')) throw refused('an empty extension line');
  const rootHash = fromBase64(root);
  if (rootHash.length !== 32) throw refused(`a root hash of ${rootHash.length} bytes`);
  return {
    origin,
    treeSize: Number(size),
    rootHash,
    extensions,
    signedText: note.text,
    signatures: note.signatures,
  };
}

/**
 * The checkpoint, if a key of `keys` whose name is the origin signed it. Signatures by keys we do not have (witnesses)
 * are passed over, as signed-note demands; a signature that claims one of our keys and is wrong refuses the whole.
 */
export function verifyCheckpoint(text: string, keys: readonly CheckpointKey[]): Checkpoint {
  const parsed = parseCheckpoint(text);
  const message = utf8(parsed.signedText);
  let signedByOrigin = false;
  for (const { name, keyHash, signature } of parsed.signatures) {
    const key = keys.find(
      (known) =>
        known.name === name && equalBytes(checkpointKeyId(name, known.publicKey).subarray(0, 4), keyHash),
    );
    if (key === undefined) continue;
    if (!verifyEd25519(key.publicKey, message, signature)) throw unsigned();
    if (name === parsed.origin) signedByOrigin = true;
  }
  if (!signedByOrigin) throw unsigned();
  return { origin: parsed.origin, treeSize: parsed.treeSize, rootHash: parsed.rootHash };
}

function refused(got: string): Fault {
  return new Fault(
    'invalid',
    'formats.checkpoint',
    `expected a checkpoint with origin, tree size and root hash (c2sp.org/tlog-checkpoint), got ${got}`,
  );
}

function unsigned(): Fault {
  return new Fault(
    'integrity',
    'formats.checkpoint_signature',
    'expected a checkpoint signed by a log of the trust root, got one that is not',
  );
}
