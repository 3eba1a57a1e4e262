import { constants, createPublicKey, type KeyObject, sign as signNow } from 'node:crypto';
import type { Random } from '#platform';
import { type Answer, answerEach, type Eventually } from './batch.ts';
import type { CipherDeps } from './cipher.ts';
import { deriveBytes, readContext } from './derive.ts';
import { digestInfo, encodePss, maxSaltSize } from './emsa.ts';
import { brokenKey, refused } from './faults.ts';
import { type Fields, readBytes, readWhole } from './fields.ts';
import { type TransitKey, versionToUse } from './key.ts';
import { canSign, type EcdsaFacts, factsOf, type RsaFacts } from './key-types.ts';
import { ed25519Private, publicText } from './material.ts';
import {
  hashOf,
  paddingOf,
  readSigningOptions,
  requireDigest,
  requireDigestOf,
  type SigningOptions,
  saltSize,
} from './signing.ts';
import { writeWire } from './wire.ts';

export interface SignDeps extends CipherDeps {
  readonly random: Random;
}

/**
 * `POST sign/:name[/:hash]`. Ed25519 (RFC 8032, never prehashed) and ECDSA with P-256 over a message are signed at
 * once; RSA, the larger curves and digests in the key thread.
 */
export function signRequest(
  deps: SignDeps,
  key: TransitKey,
  body: Fields,
  hashInPath?: string,
): Eventually<Answer> {
  const facts = factsOf(key.type);
  if (!canSign(facts)) throw refused('unsupported', `key type ${key.type} does not support signing`);
  const options = readSigningOptions(body, hashInPath);
  const version = versionToUse(key, readWhole(body, 'key_version') ?? 0);
  return answerEach(body, (item) => {
    const input = readBytes(item, 'input');
    if (input === undefined) throw refused('input', 'missing input');
    const context = readContext(key, item);
    if (context !== undefined) return signDerived(deps, key, version, context, input, options);
    const privateKey = requirePrivate(deps, key, version);
    const signature = signOne(deps, facts, privateKey, input, options);
    if (!(signature instanceof Promise)) return result(version, signature, options);
    return signature.then((ready) => result(version, ready, options));
  });
}

/** Ed25519 only: the derived bytes are the seed, and the answer has the public key that belongs to the context. */
function signDerived(
  deps: SignDeps,
  key: TransitKey,
  version: number,
  context: Uint8Array,
  input: Uint8Array,
  options: SigningOptions,
): Answer['data'] {
  const privateKey = derivedPrivate(deps, key, version, context);
  const signature = signNow(null, input, privateKey);
  const publicKey = publicText(factsOf(key.type), createPublicKey(privateKey));
  return { ...result(version, signature, options), public_key: publicKey };
}

/** The private key of a derived Ed25519 key for a context. */
export function derivedPrivate(
  deps: Pick<CipherDeps, 'material'>,
  key: TransitKey,
  version: number,
  context: Uint8Array,
): KeyObject {
  return ed25519Private(deriveBytes(deps.material.secret(key, version), context, 32));
}

function signOne(
  deps: SignDeps,
  facts: ReturnType<typeof factsOf>,
  key: KeyObject,
  input: Uint8Array,
  options: SigningOptions,
): Eventually<Buffer> {
  if (facts.family === 'ed25519') return signNow(null, input, key);
  if (facts.family === 'ecdsa') return signEcdsa(deps, facts, key, input, options);
  if (facts.family === 'rsa') return signRsa(deps, facts, key, input, options);
  throw brokenKey('expected a signing key, got another');
}

function signEcdsa(
  deps: SignDeps,
  { curve }: EcdsaFacts,
  key: KeyObject,
  input: Uint8Array,
  options: SigningOptions,
): Eventually<Buffer> {
  const { form } = options;
  if (options.prehashed) {
    requireDigest(input);
    return deps.thread.compute({ do: 'ecdsa-sign', key, curve, digest: input, form });
  }
  const hash = hashOf(options).openssl;
  if (curve === 'P-256') return signNow(hash, input, { key, dsaEncoding: form });
  const none = { padding: undefined, saltLength: undefined };
  return deps.thread.compute({ do: 'sign', key, hash, input, form, ...none });
}

function signRsa(
  deps: SignDeps,
  rsa: RsaFacts,
  key: KeyObject,
  input: Uint8Array,
  options: SigningOptions,
): Promise<Buffer> {
  const { hash, pss, form } = options;
  if (!options.prehashed) {
    const most = constants.RSA_PSS_SALTLEN_MAX_SIGN;
    const saltLength = pss ? (saltSize(options.salt, hashOf(options), rsa) ?? most) : undefined;
    const padding = paddingOf(options);
    return deps.thread.compute({
      do: 'sign',
      key,
      hash: hashOf(options).openssl,
      input,
      form,
      padding,
      saltLength,
    });
  }
  requireDigestOf(hash, input, rsa);
  if (!pss) {
    const padding = constants.RSA_PKCS1_PADDING;
    return deps.thread.compute({ do: 'rsa-private', key, padding, block: digestInfo(hash, input) });
  }
  const pssHash = hashOf(options);
  const size = saltSize(options.salt, pssHash, rsa) ?? maxSaltSize(pssHash, rsa.bits / 8);
  const block = encodePss(pssHash, input, deps.random.bytes(size), rsa.bits / 8);
  return deps.thread.compute({ do: 'rsa-private', key, padding: constants.RSA_NO_PADDING, block });
}

function requirePrivate(deps: SignDeps, key: TransitKey, version: number): KeyObject {
  const privateKey = deps.material.privateKey(key, version);
  if (privateKey !== undefined) return privateKey;
  throw refused('no_private_key', `expected version ${version} to have a private key, got a public one`);
}

function result(version: number, signature: Buffer, { wireForm }: SigningOptions): Answer['data'] {
  return { signature: writeWire(version, signature, wireForm), key_version: version };
}
