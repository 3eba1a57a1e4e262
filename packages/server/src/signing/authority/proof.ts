import { constants, type KeyObject, verify } from 'node:crypto';
import {
  type DerNode,
  derBitBytes,
  derFields,
  derOid,
  derTags,
  Fault,
  parseDer,
  utf8,
} from '@sallyport/formats';
import { type AcceptedKey, acceptKey } from './public-key.ts';

const maxRequestBytes = 16 * 1024;

/**
 * That whoever sent the token also holds the private key: else a certificate could be had for the key of somebody
 * else, and their signatures would then be ours. Throws `signing.proof_invalid`.
 */
export function checkProof(accepted: AcceptedKey, challenge: string, signature: Uint8Array): void {
  const bytes = utf8(challenge);
  const valid =
    signature.length > 0 &&
    signature.length <= 1024 &&
    accepted.hashes.some((hash) => verifies(hash, bytes, accepted.key, signature));
  if (!valid) throw refused('a signature over the subject of the token by the key to certify');
}

function verifies(hash: string | null, bytes: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
  if (verify(hash, bytes, key, signature)) return true;
  if (key.asymmetricKeyType !== 'rsa') return false;
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return verify(hash, bytes, { key, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }, signature);
}

/** Signature algorithms of a request, with the kind of key each belongs to. */
const algorithms: Readonly<Record<string, readonly [kind: string, hash: string | null]>> = {
  '1.2.840.10045.4.3.2': ['ec', 'sha256'],
  '1.2.840.10045.4.3.3': ['ec', 'sha384'],
  '1.2.840.10045.4.3.4': ['ec', 'sha512'],
  '1.2.840.113549.1.1.11': ['rsa', 'sha256'],
  '1.2.840.113549.1.1.12': ['rsa', 'sha384'],
  '1.2.840.113549.1.1.13': ['rsa', 'sha512'],
  '1.3.101.112': ['ed25519', null],
};

/**
 * The key of a PKCS #10 request (RFC 2986) that it is signed with. Nothing else in it counts: names and extensions are
 * wishes, and the certificate says what the token says. Throws `signing.proof_invalid` or `signing.key_invalid`.
 */
export function keyOfRequest(content: Uint8Array): AcceptedKey {
  if (content.length > maxRequestBytes)
    throw refused(`a certificate request of at most ${maxRequestBytes} bytes`);
  const { info, algorithm, signature, spki } = readRequest(bytesOf(content));
  const accepted = acceptKey(spki);
  const [kind, hash] = Object.hasOwn(algorithms, algorithm) ? (algorithms[algorithm] ?? []) : [];
  if (kind !== accepted.key.asymmetricKeyType || hash === undefined) {
    throw refused('a request signed with SHA-256, SHA-384 or SHA-512 by the kind of key that it is for');
  }
  if (!verify(hash, info, accepted.key, signature))
    throw refused('a request signed by the key that it is for');
  return accepted;
}

/** PEM as Sigstore's clients send it, or the DER itself. */
function bytesOf(content: Uint8Array): Uint8Array {
  const text = Buffer.from(content).toString('latin1');
  const pem =
    /^\s*-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----\s+([A-Za-z0-9+/=\s]+)-----END (?:NEW )?CERTIFICATE REQUEST-----\s*$/;
  const body = pem.exec(text)?.[1];
  return body === undefined ? content : Buffer.from(body, 'base64');
}

function readRequest(bytes: Uint8Array) {
  const parts = derFields(parseDer(bytes, { maxBytes: maxRequestBytes }), 'a certificate request');
  const info: DerNode = parts.take('its information', derTags.sequence);
  const algorithm = derFields(parts.take('its algorithm', derTags.sequence), 'an algorithm');
  const signature = derBitBytes(parts.take('its signature', derTags.bitString), 'a signature');
  parts.end();
  const fields = derFields(info, 'the information of a certificate request');
  fields.take('its version', derTags.integer);
  fields.take('its subject', derTags.sequence);
  const spki = fields.take('its public key', derTags.sequence);
  return {
    info: info.bytes,
    algorithm: derOid(algorithm.take('an algorithm', derTags.oid), 'an algorithm'),
    signature,
    spki: spki.bytes,
  };
}

function refused(expected: string): Fault {
  return new Fault('invalid', 'signing.proof_invalid', `expected ${expected}, got something else`);
}
