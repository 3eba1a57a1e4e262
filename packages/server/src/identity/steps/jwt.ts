import { createPublicKey } from 'node:crypto';
import { fromUtf8, parseStrictJson, utf8 } from '@sallyport/formats';
import { exportJWK, type JWK, jwtVerify } from 'jose';
import { unauthenticated } from '../tokens/token.ts';
import { maxStepTokenSeconds, stepClaimNames } from './claims.ts';

/** The key that signs identity tokens; it stays in the keyring, only signatures come out. */
export interface OidcSigner {
  readonly keyId: string;
  /** P-256, DER SubjectPublicKeyInfo. */
  readonly publicKeySpki: Uint8Array;
  /** ECDSA P-256 with SHA-256 as the 64 raw bytes of RFC 7518 section 3.4. */
  signJose(bytes: Uint8Array): Uint8Array;
}

export const clockSkewSeconds = 30;
const maxJwtLength = 8192;

export interface VerifiedStepToken {
  readonly id: string;
  readonly subject: string;
  readonly claims: Readonly<Record<string, string>>;
}

/** A compact JWS (RFC 7515 section 7.1) over `payload`, with the header pinned to what `verifyStepJwt` accepts. */
export function signJwt(signer: OidcSigner, payload: object): string {
  const header = { alg: 'ES256', kid: signer.keyId, typ: 'JWT' };
  const input = `${base64url(utf8(JSON.stringify(header)))}.${base64url(utf8(JSON.stringify(payload)))}`;
  return `${input}.${base64url(signer.signJose(utf8(input)))}`;
}

export async function publicJwk(signer: OidcSigner): Promise<JWK> {
  const jwk = await exportJWK(publicKeyOf(signer));
  return { ...jwk, kid: signer.keyId, alg: 'ES256', use: 'sig' };
}

/**
 * Verifies an identity token of our own issuer. The shape is read strictly before any cryptography: `jose` parses JSON
 * as JavaScript does, where the last of two equal claims wins, while another verifier may take the first.
 * The algorithm and key are ours to choose, never the header's (RFC 8725 sections 3.1 and 3.8): `alg: none`, HMAC with
 * the public key as secret, embedded keys (`jwk`, `jku`, `x5c`) and `crit` all die at the exact header.
 * Whether the token's step still runs is for the caller to ask.
 */
export async function verifyStepJwt(
  text: string,
  expected: {
    readonly signer: OidcSigner;
    readonly issuer: string;
    readonly audience: string;
    readonly now: Date;
  },
): Promise<VerifiedStepToken> {
  if (text.length > maxJwtLength) throw unauthenticated();
  const { signer, issuer, audience, now } = expected;
  try {
    const header = readHeader(text);
    if (header.kid !== signer.keyId) throw unauthenticated();
    const { payload } = await jwtVerify(text, publicKeyOf(signer), {
      algorithms: ['ES256'],
      typ: 'JWT',
      issuer,
      audience,
      currentDate: now,
      clockTolerance: clockSkewSeconds,
      requiredClaims: ['iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'jti'],
    });
    const { jti, sub, exp, iat, aud } = payload;
    if (typeof jti !== 'string' || typeof sub !== 'string' || typeof aud !== 'string')
      throw unauthenticated();
    if (exp === undefined || iat === undefined || exp - iat > maxStepTokenSeconds || exp <= iat)
      throw unauthenticated();
    if (iat > now.getTime() / 1000 + clockSkewSeconds) throw unauthenticated();
    return { id: jti, subject: sub, claims: readClaims(payload) };
  } catch (cause) {
    // One message for every failure: which check a forged token passed is nobody's business outside.
    throw unauthenticated(cause);
  }
}

function readHeader(text: string): { readonly kid: string } {
  const parts = text.split('.');
  const [header, payload, signature] = parts;
  if (parts.length !== 3 || header === undefined || payload === undefined || signature === undefined)
    throw unauthenticated();
  parseStrictJson(fromUtf8(fromBase64url(payload)), { maxBytes: maxJwtLength, maxDepth: 4 });
  if (fromBase64url(signature).length !== 64) throw unauthenticated();
  const fields = parseStrictJson(fromUtf8(fromBase64url(header)), { maxBytes: 512, maxDepth: 2 });
  if (typeof fields !== 'object' || fields === null) throw unauthenticated();
  const entries = new Map<string, unknown>(Object.entries(fields));
  const kid = entries.get('kid');
  if (entries.size !== 3 || entries.get('alg') !== 'ES256' || entries.get('typ') !== 'JWT')
    throw unauthenticated();
  if (typeof kid !== 'string') throw unauthenticated();
  return { kid };
}

function readClaims(payload: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const claims: Record<string, string> = {};
  for (const name of stepClaimNames) {
    const value = payload[name];
    if (typeof value !== 'string') throw unauthenticated();
    claims[name] = value;
  }
  return claims;
}

function publicKeyOf(signer: OidcSigner) {
  return createPublicKey({ key: Buffer.from(signer.publicKeySpki), format: 'der', type: 'spki' });
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}

/** Canonical only: what decodes and encodes to another text could be one token with two spellings. */
function fromBase64url(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64url');
  if (text.length === 0 || bytes.toString('base64url') !== text) throw unauthenticated();
  return bytes;
}
