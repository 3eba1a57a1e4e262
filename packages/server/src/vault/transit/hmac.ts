import { createHmac, timingSafeEqual } from 'node:crypto';
import { type Answer, answerEach, type Eventually } from './batch.ts';
import type { CipherDeps } from './cipher.ts';
import { refused } from './faults.ts';
import { type Fields, readBytes, readText, readWhole } from './fields.ts';
import { requireHash } from './hashes.ts';
import { requireOpenable, type TransitKey, versionToUse } from './key.ts';
import { readWire, writeWire } from './wire.ts';

type HmacDeps = Pick<CipherDeps, 'material'>;

/** `POST hmac/:name[/:hash]` (RFC 2104), with the HMAC key every version has, or with the key itself for type hmac. */
export function hmacRequest(
  deps: HmacDeps,
  key: TransitKey,
  body: Fields,
  hashInPath?: string,
): Eventually<Answer> {
  const hash = requireHash(body, hashInPath);
  const version = versionToUse(key, readWhole(body, 'key_version') ?? 0);
  const secret = deps.material.hmacKey(key, version);
  return answerEach(body, (item) => {
    const input = requireInput(item);
    return { hmac: writeWire(version, createHmac(hash.openssl, secret).update(input).digest()) };
  });
}

export function verifyHmacRequest(
  deps: HmacDeps,
  key: TransitKey,
  body: Fields,
  hashInPath?: string,
): Eventually<Answer> {
  const hash = requireHash(body, hashInPath);
  return answerEach(body, (item) => {
    const input = requireInput(item);
    const { version, bytes } = readWire(readText(item, 'hmac') ?? '', 'hmac');
    requireOpenable(key, version);
    const expected = createHmac(hash.openssl, deps.material.hmacKey(key, version)).update(input).digest();
    return { valid: bytes.length === expected.length && timingSafeEqual(bytes, expected) };
  });
}

function requireInput(item: Fields): Buffer {
  const input = readBytes(item, 'input');
  if (input === undefined) throw refused('input', 'missing input for HMAC');
  return input;
}
