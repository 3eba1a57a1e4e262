import { createHash } from 'node:crypto';
import type { HashFacts } from './hashes.ts';

/** The blocks RSA signs when a digest comes instead of a message; OpenSSL makes them itself otherwise. */

/** What PKCS #1 v1.5 signs before padding (RFC 8017 section 9.2); the bare input without a hash. */
export function digestInfo(hash: HashFacts | undefined, digest: Uint8Array): Buffer {
  return hash === undefined
    ? Buffer.from(digest)
    : Buffer.concat([Buffer.from(hash.digestInfo, 'hex'), digest]);
}

/** EMSA-PSS-ENCODE (RFC 8017 section 9.1.1) for moduli of whole bytes. The caller keeps the salt to `maxSaltSize`. */
export function encodePss(
  hash: HashFacts,
  digest: Uint8Array,
  salt: Uint8Array,
  modulusSize: number,
): Buffer {
  const h = pssHash(hash, digest, salt);
  const dbSize = modulusSize - hash.sizeBytes - 1;
  const db = Buffer.alloc(dbSize);
  db[dbSize - salt.length - 1] = 1;
  db.set(salt, dbSize - salt.length);
  mask(db, h, hash);
  return Buffer.concat([db, h, Buffer.of(0xbc)]);
}

/** EMSA-PSS-VERIFY (section 9.1.2). `saltSize` undefined takes the size the block says. */
export function verifyPss(
  hash: HashFacts,
  digest: Uint8Array,
  block: Uint8Array,
  saltSize: number | undefined,
): boolean {
  const dbSize = block.length - hash.sizeBytes - 1;
  if (dbSize < 1 || block.at(-1) !== 0xbc || (block[0] ?? 0x80) >= 0x80) return false;
  const h = block.subarray(dbSize, -1);
  const db = Buffer.from(block.subarray(0, dbSize));
  mask(db, h, hash);
  const end = db.findIndex((byte) => byte !== 0);
  if (end === -1 || db[end] !== 1) return false;
  const salt = db.subarray(end + 1);
  if (saltSize !== undefined && salt.length !== saltSize) return false;
  return pssHash(hash, digest, salt).equals(h);
}

export function maxSaltSize(hash: HashFacts, modulusSize: number): number {
  return modulusSize - hash.sizeBytes - 2;
}

function pssHash(hash: HashFacts, digest: Uint8Array, salt: Uint8Array): Buffer {
  return createHash(hash.openssl).update(Buffer.alloc(8)).update(digest).update(salt).digest();
}

/** XOR with MGF1 (appendix B.2.1), and the highest bit cleared: the modulus has one bit more than the block. */
function mask(db: Buffer, seed: Uint8Array, hash: HashFacts): void {
  const counter = Buffer.alloc(4);
  for (let at = 0, block = 0; at < db.length; block += 1) {
    counter.writeUInt32BE(block);
    for (const byte of createHash(hash.openssl).update(seed).update(counter).digest()) {
      if (at >= db.length) break;
      db[at] = (db[at] ?? 0) ^ byte;
      at += 1;
    }
  }
  db[0] = (db[0] ?? 0) & 0x7f;
}
