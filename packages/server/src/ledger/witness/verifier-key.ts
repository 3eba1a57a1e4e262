import {
  concatBytes,
  equalBytes,
  Fault,
  fromBase64,
  fromHex,
  sha256,
  toBase64,
  toHex,
  utf8,
} from '@sallyport/formats';

/** Signature types of c2sp.org/signed-note and c2sp.org/tlog-cosignature: Ed25519 of a log, timestamped of a witness. */
export const keyTypes = { log: 0x01, witness: 0x04 } as const;

/** A key of a log or witness, as both sides exchange it: `name+hash+base64(type, key)` (c2sp.org/signed-note). */
export interface VerifierKey {
  readonly name: string;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** What its signature lines begin with. */
  readonly keyHash: Uint8Array;
}

/** DER of an Ed25519 SubjectPublicKeyInfo before its 32 bytes (RFC 8410 section 4). */
const spkiPrefix = fromHex('302a300506032b6570032100');

export function verifierKeyOf(
  name: string,
  type: keyof typeof keyTypes,
  publicKey: Uint8Array,
): VerifierKey & { readonly text: string } {
  const raw = publicKey.slice(spkiPrefix.length);
  const keyHash = sha256(utf8(name), Uint8Array.of(0x0a, keyTypes[type]), raw).slice(0, 4);
  const encoded = toBase64(concatBytes(Uint8Array.of(keyTypes[type]), raw));
  return { name, publicKey, keyHash, text: `${name}+${toHex(keyHash)}+${encoded}` };
}

export function parseVerifierKey(text: string, type: keyof typeof keyTypes): VerifierKey {
  const match = /^([^\s+\p{Cc}]{1,200})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{44})$/u.exec(text);
  const [, name = '', hash = '', encoded = ''] = match ?? [];
  if (match === null) throw refused(type);
  const bytes = fromBase64(encoded);
  const key = verifierKeyOf(name, type, concatBytes(spkiPrefix, bytes.slice(1)));
  if (bytes[0] !== keyTypes[type] || !equalBytes(key.keyHash, fromHex(hash))) throw refused(type);
  return key;
}

function refused(type: string): Fault {
  return new Fault(
    'invalid',
    'ledger.verifier_key',
    `expected the Ed25519 key of a ${type} as name+hash+base64 (c2sp.org/signed-note), got other text`,
  );
}
