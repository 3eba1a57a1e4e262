import { createHash, verify } from 'node:crypto';
import { concatBytes, digestHash, digestOf, fromBase64, utf8 } from '@sallyport/formats';
import { malformed, positive, type SshKey, wireReader, wireString } from './ssh-wire.ts';

/** An SSH signature (OpenSSH PROTOCOL.sshsig, version 1), taken apart. */
export interface SshSignature {
  readonly publicKey: Uint8Array;
  readonly namespace: string;
  readonly hash: 'sha256' | 'sha512';
  readonly algorithm: string;
  readonly signature: Uint8Array;
}

const magic = 'SSHSIG';
const begin = '-----BEGIN SSH SIGNATURE-----';
const end = '-----END SSH SIGNATURE-----';

export function parseSshSignature(armored: string): SshSignature {
  if (armored.length > 16_384) throw malformed(`${armored.length} characters`);
  const lines = armored.trimEnd().split('\n');
  if (lines[0] !== begin || lines.at(-1) !== end) throw malformed('no armour');
  const blob = fromBase64(lines.slice(1, -1).join(''));
  if (Buffer.from(blob.subarray(0, magic.length)).toString('latin1') !== magic) throw malformed('no magic');
  const wire = wireReader(blob.subarray(magic.length), 'a signature');
  const version = wire.uint32();
  if (version !== 1) throw malformed(`version ${version}`);
  const publicKey = wire.bytes();
  const namespace = wire.text();
  wire.bytes(); // reserved: ignored by the format, and bound by the signature with length 0 below
  const hash = wire.text();
  const inner = wireReader(wire.bytes(), 'a signature');
  wire.end();
  const algorithm = inner.text();
  const signature = inner.bytes();
  inner.end();
  if (hash !== 'sha256' && hash !== 'sha512') throw malformed(`the hash "${hash.slice(0, 20)}"`);
  return { publicKey, namespace, hash, algorithm, signature };
}

/**
 * Whether the signature is right for `message`, by the key inside it. Who that key belongs to, and whether it may sign
 * in this namespace, is not asked here.
 */
export function isSignedBy(parsed: SshSignature, key: SshKey, message: Uint8Array): boolean {
  const signed = concatBytes(
    utf8(magic),
    wireString(parsed.namespace),
    wireString(''),
    wireString(parsed.hash),
    wireString(createHash(parsed.hash).update(message).digest()),
  );
  switch (key.kind) {
    case 'ed25519':
      return parsed.algorithm === 'ssh-ed25519' && verify(null, signed, key.key, parsed.signature);
    case 'ecdsa': {
      if (parsed.algorithm !== `ecdsa-sha2-${key.curve.name}`) return false;
      const flat = flatten(parsed.signature, key.curve.coordinateBytes);
      return verify(key.curve.hash, signed, { key: key.key, dsaEncoding: 'ieee-p1363' }, flat);
    }
    case 'rsa':
      // `ssh-rsa` as an algorithm means SHA-1 (RFC 8332) and is not in this table.
      if (parsed.algorithm === 'rsa-sha2-512') return verify('sha512', signed, key.key, parsed.signature);
      return parsed.algorithm === 'rsa-sha2-256' && verify('sha256', signed, key.key, parsed.signature);
  }
}

/** `SHA256:…` without padding, as ssh-keygen prints it. */
export function sshFingerprint(publicKey: Uint8Array): string {
  return `SHA256:${Buffer.from(digestHash(digestOf(publicKey)))
    .toString('base64')
    .replace(/=+$/, '')}`;
}

function flatten(signature: Uint8Array, size: number): Uint8Array {
  const wire = wireReader(signature, 'an ECDSA signature');
  const parts = [positive(wire.bytes()), positive(wire.bytes())];
  wire.end();
  const flat = new Uint8Array(2 * size);
  for (const [index, part] of parts.entries()) {
    if (part.length > size) throw malformed('a number that is too large for its curve');
    flat.set(part, (index + 1) * size - part.length);
  }
  return flat;
}
