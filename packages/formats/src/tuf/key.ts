import { fromBase64, toBase64, toHex } from '../bytes/encodings.ts';
import { sha256 } from '../crypto/sha256.ts';
import { checkP256 } from '../crypto/signatures.ts';
import { Fault } from '../fault.ts';
import { closed, oneOf, type Shape, text } from '../json/shape.ts';
import { olpcJson } from './canonical.ts';

/** A key as TUF's `root.json` holds it. Of the schemes there are, only the one that every Sigstore client reads. */
export interface TufKey {
  readonly keytype: 'ecdsa';
  readonly scheme: 'ecdsa-sha2-nistp256';
  /** PEM of the SubjectPublicKeyInfo. */
  readonly keyval: { readonly public: string };
}

export const tufKeyShape: Shape<TufKey> = closed<TufKey>(
  {
    keytype: oneOf('ecdsa'),
    scheme: oneOf('ecdsa-sha2-nistp256'),
    keyval: closed<TufKey['keyval']>({ public: text(1000) }, {}),
  },
  {},
);

export function tufKey(spki: Uint8Array): TufKey {
  checkP256(spki);
  return {
    keytype: 'ecdsa',
    scheme: 'ecdsa-sha2-nistp256',
    keyval: { public: pemOf(spki) },
  };
}

/** SHA-256 of the canonical key, in hexadecimal (TUF 1.0.31 section 4.2). */
export function tufKeyId(key: TufKey): string {
  return toHex(sha256(olpcJson(key)));
}

/** The SubjectPublicKeyInfo. One key has one spelling: a second one would count twice towards a threshold. */
export function tufKeySpki(key: TufKey): Uint8Array {
  const body = key.keyval.public.replace(/-----(?:BEGIN|END) PUBLIC KEY-----|\n/g, '');
  const spki = fromBase64(body);
  checkP256(spki);
  if (pemOf(spki) === key.keyval.public) return spki;
  throw new Fault(
    'invalid',
    'formats.tuf_key',
    'expected a public key in PEM of 64 columns, got another form',
  );
}

function pemOf(spki: Uint8Array): string {
  const lines = toBase64(spki).match(/.{1,64}/g) ?? [];
  return `-----BEGIN PUBLIC KEY-----\n${lines.join('\n')}\n-----END PUBLIC KEY-----\n`;
}
