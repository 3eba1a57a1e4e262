import { constants, createPublicKey, type KeyObject, publicDecrypt, verify as verifyNow } from 'node:crypto';
import { type Answer, answerEach, batchItems, type Eventually } from './batch.ts';
import type { CipherDeps } from './cipher.ts';
import { readContext } from './derive.ts';
import { digestInfo, verifyPss } from './emsa.ts';
import { refused } from './faults.ts';
import { type Fields, readBytes, readText } from './fields.ts';
import { verifyHmacRequest } from './hmac.ts';
import { requireOpenable, type TransitKey } from './key.ts';
import { canSign, type EcdsaFacts, factsOf, type KeyFacts, type RsaFacts } from './key-types.ts';
import { derivedPrivate } from './sign.ts';
import {
  hashOf,
  paddingOf,
  readSigningOptions,
  requireDigest,
  requireDigestOf,
  type SigningOptions,
  saltSize,
} from './signing.ts';
import { readWire } from './wire.ts';

/**
 * `POST verify/:name[/:hash]`, of signatures or, when the request gives `hmac`, of HMACs. At once, but for ECDSA over
 * digests, which the key thread verifies. What is no signature at all is not valid; only a text without Vault's prefix,
 * another encoding and a version that is not allowed are errors.
 */
export function verifyRequest(
  deps: CipherDeps,
  key: TransitKey,
  body: Fields,
  hashInPath?: string,
): Eventually<Answer> {
  if (verifiesHmac(body)) return verifyHmacRequest(deps, key, body, hashInPath);
  const facts = factsOf(key.type);
  if (!canSign(facts)) throw refused('unsupported', `key type ${key.type} does not support verification`);
  const options = readSigningOptions(body, hashInPath);
  return answerEach(body, (item) => {
    const valid = verifyItem(deps, key, facts, item, options);
    return valid instanceof Promise ? valid.then((ready) => ({ valid: ready })) : { valid };
  });
}

/** All items must agree: an item with the other field, or none, would otherwise count as checked. */
function verifiesHmac(body: Fields): boolean {
  const items = batchItems(body) ?? [body];
  const given = (item: Fields, name: string) => (readText(item, name) ?? '') !== '';
  const signatures = items.filter((item) => given(item, 'signature')).length;
  const hmacs = items.filter((item) => given(item, 'hmac')).length;
  if ((signatures === items.length && hmacs === 0) || (hmacs === items.length && signatures === 0)) {
    return hmacs > 0;
  }
  throw refused('signature', "expected one of 'signature' and 'hmac', the same in every item");
}

function verifyItem(
  deps: CipherDeps,
  key: TransitKey,
  facts: KeyFacts,
  item: Fields,
  options: SigningOptions,
): Eventually<boolean> {
  const input = readBytes(item, 'input');
  if (input === undefined) throw refused('input', 'missing input');
  const context = readContext(key, item);
  const wire = readWire(readText(item, 'signature') ?? '', 'signature', options.wireForm);
  requireOpenable(key, wire.version);
  const publicKey =
    context === undefined
      ? deps.material.publicKey(key, wire.version)
      : createPublicKey(derivedPrivate(deps, key, wire.version, context));
  if (facts.family === 'rsa') return verifyRsa(facts, publicKey, input, wire.bytes, options);
  if (facts.family === 'ecdsa') return verifyEcdsa(deps, facts, publicKey, input, wire.bytes, options);
  return verifyNow(null, input, publicKey, wire.bytes);
}

function verifyEcdsa(
  deps: CipherDeps,
  { curve }: EcdsaFacts,
  key: KeyObject,
  input: Uint8Array,
  signature: Uint8Array,
  options: SigningOptions,
): Eventually<boolean> {
  const { form } = options;
  if (options.prehashed) {
    requireDigest(input);
    return deps.thread.verify({ do: 'ecdsa-verify', key, curve, digest: input, signature, form });
  }
  return verifyNow(hashOf(options).openssl, input, { key, dsaEncoding: form }, signature);
}

function verifyRsa(
  rsa: RsaFacts,
  key: KeyObject,
  input: Uint8Array,
  signature: Uint8Array,
  options: SigningOptions,
): boolean {
  const { hash, pss } = options;
  const auto = constants.RSA_PSS_SALTLEN_AUTO;
  if (!options.prehashed) {
    const padding = paddingOf(options);
    const saltLength = pss ? { saltLength: saltSize(options.salt, hashOf(options), rsa) ?? auto } : {};
    return verifyNow(hashOf(options).openssl, input, { key, padding, ...saltLength }, signature);
  }
  requireDigestOf(hash, input, rsa);
  const size = pss ? saltSize(options.salt, hashOf(options), rsa) : undefined;
  const block = openBlock(rsa, key, signature, pss ? constants.RSA_NO_PADDING : constants.RSA_PKCS1_PADDING);
  if (block === undefined) return false;
  // The whole of what the padding leaves is compared: reading the digest out of it is how forgeries got in (CVE-2006-4339).
  return pss ? verifyPss(hashOf(options), input, block, size) : digestInfo(hash, input).equals(block);
}

function openBlock(
  rsa: RsaFacts,
  key: KeyObject,
  signature: Uint8Array,
  padding: number,
): Buffer | undefined {
  if (signature.length !== rsa.bits / 8) return undefined;
  try {
    return publicDecrypt({ key, padding }, signature);
  } catch {
    return undefined;
  }
}
