import { createPublicKey, type KeyObject } from 'node:crypto';
import { equalBytes, Fault, toHex } from '@sallyport/formats';

const maxKeyChars = 8192;

/**
 * How the accepted elliptic keys begin: algorithm, named curve, and an uncompressed point. A curve that is written out
 * by its parameters begins otherwise, also one that looks like P-256 with another generator.
 */
const prefixes: Readonly<Record<string, string>> = {
  prime256v1: '3059301306072a8648ce3d020106082a8648ce3d03010703420004',
  secp384r1: '3076301006072a8648ce3d020106052b8104002203620004',
  secp521r1: '30819b301006072a8648ce3d020106052b810400230381860004',
};

/** A public key that a certificate may be made for. */
export interface AcceptedKey {
  readonly key: KeyObject;
  readonly spki: Uint8Array;
  /** The hashes a proof by this key may use, the usual one first; null where the algorithm has its own. */
  readonly hashes: readonly ('sha256' | 'sha384' | 'sha512' | null)[];
}

/** Reads `-----BEGIN PUBLIC KEY-----`. Throws `signing.key_invalid`. */
export function parsePublicPem(text: string): AcceptedKey {
  // Of a private key, Node would quietly take the public half; whoever sends one must learn that it is burnt.
  const body = /^\s*-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*$/.exec(
    text,
  )?.[1];
  if (text.length > maxKeyChars || body === undefined) throw refused('one public key in PEM (PKIX)');
  return acceptKey(Buffer.from(body, 'base64'));
}

/** The bytes of a SubjectPublicKeyInfo. Throws `signing.key_invalid`: weak, of another kind, or not on its curve. */
export function acceptKey(spkiBytes: Uint8Array): AcceptedKey {
  let key: KeyObject;
  let spki: Uint8Array;
  try {
    key = createPublicKey({ key: Buffer.from(spkiBytes), format: 'der', type: 'spki' });
    // A point at infinity is found only when the key is written.
    spki = Uint8Array.from(key.export({ type: 'spki', format: 'der' }));
  } catch (cause) {
    throw refused('a public key whose point lies on its curve', cause);
  }
  if (!equalBytes(spki, spkiBytes)) throw refused('a public key in DER, with nothing before or behind it');
  const { modulusLength = 0, publicExponent = 0n, namedCurve = '' } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ec': {
      const prefix = Object.hasOwn(prefixes, namedCurve) ? prefixes[namedCurve] : undefined;
      if (prefix === undefined || !toHex(spki).startsWith(prefix)) {
        throw refused('the named curve P-256, P-384 or P-521 and an uncompressed point');
      }
      // Clients of the first years hash with SHA-256 whatever the curve.
      if (namedCurve === 'secp384r1') return { key, spki, hashes: ['sha384', 'sha256'] };
      if (namedCurve === 'secp521r1') return { key, spki, hashes: ['sha512', 'sha256'] };
      return { key, spki, hashes: ['sha256'] };
    }
    case 'ed25519':
      return { key, spki, hashes: [null] };
    case 'rsa':
      if (
        modulusLength < 2048 ||
        modulusLength > 8192 ||
        publicExponent < 3n ||
        publicExponent >= 2n ** 32n
      ) {
        throw refused('RSA with 2048 to 8192 bits and an exponent of 3 to 2^32');
      }
      return { key, spki, hashes: ['sha256'] };
    default:
      throw refused('P-256, P-384, P-521, Ed25519 or RSA');
  }
}

function refused(expected: string, cause?: unknown): Fault {
  return new Fault('invalid', 'signing.key_invalid', `expected ${expected}`, {
    cause,
    hint: 'make a fresh P-256 key for each signature',
  });
}
