import { fromUtf8, parseStrictJson } from '@sallyport/formats';
import { refusedLogin } from '../login.ts';

/** Asymmetric ones only (RFC 7518 section 3.1, RFC 8037): with HMAC, a public key known to all would be the secret. */
export const jwtAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;
export type JwtAlgorithm = (typeof jwtAlgorithms)[number];

export type Claims = Readonly<Record<string, unknown>>;

/** A token whose form is right. Nothing in it is true yet: the signature is not verified. */
export interface ParsedJwt {
  readonly text: string;
  readonly algorithm: JwtAlgorithm;
  readonly keyId: string | undefined;
  readonly claims: Claims;
}

const maxTokenLength = 16 * 1024;
const maxHeaderBytes = 4096;
const maxKeyIdLength = 512;

/**
 * Header parameters that bring a key along, name where to get one, or change what the signature covers (RFC 7515
 * sections 4.1 and 4.1.11, RFC 7797, RFC 7516). Keys come from the configuration only (RFC 8725 section 3.5).
 */
const refusedParameters = ['crit', 'b64', 'jku', 'jwk', 'x5u', 'x5c', 'zip', 'enc', 'epk'];

/**
 * Types that are no login: a logout token or a security event of the same issuer carries the same signature (RFC 8725
 * section 3.11). Issuers of identity tokens write one of these or nothing.
 */
const acceptedTypes: ReadonlySet<string> = new Set(['jwt', 'at+jwt', 'jose']);

/**
 * Reads a compact JWS (RFC 7515 section 7.1) as strictly as what decides on it must: at most 16 KiB, canonical
 * base64url, JSON without doubled keys. Everything else dies here, before any cryptography.
 */
export function parseJwt(text: unknown): ParsedJwt {
  if (typeof text !== 'string' || text === '') throw refusedLogin('jwt_missing', 'missing token');
  if (text.length > maxTokenLength)
    throw malformed(`expected a token of at most ${maxTokenLength} characters`);
  const parts = text.split('.', 4);
  const [headerText, claimsText, signature] = parts;
  if (parts.length !== 3 || headerText === undefined || claimsText === undefined || signature === undefined)
    throw malformed('expected three parts with dots between them');
  if (signature === '') throw malformed('expected a signature');
  decode(signature);
  const header = readObject(headerText, maxHeaderBytes);
  for (const name of refusedParameters) {
    if (Object.hasOwn(header, name))
      throw refusedLogin('jwt_header', `error validating token: header parameter '${name}' is not accepted`);
  }
  checkType(header);
  return {
    text,
    algorithm: readAlgorithm(header['alg']),
    keyId: readKeyId(header),
    claims: readObject(claimsText, maxTokenLength),
  };
}

function readAlgorithm(value: unknown): JwtAlgorithm {
  const algorithm = jwtAlgorithms.find((candidate) => candidate === value);
  if (algorithm === undefined)
    throw refusedLogin('jwt_algorithm', 'error validating token: token signed with unexpected algorithm');
  return algorithm;
}

function readKeyId(header: Claims): string | undefined {
  if (!Object.hasOwn(header, 'kid')) return undefined;
  const keyId = header['kid'];
  if (typeof keyId !== 'string' || keyId === '' || keyId.length > maxKeyIdLength)
    throw malformed(`expected 'kid' as text of at most ${maxKeyIdLength} characters`);
  return keyId;
}

function checkType(header: Claims): void {
  if (!Object.hasOwn(header, 'typ')) return;
  const type = header['typ'];
  if (typeof type !== 'string' || !acceptedTypes.has(type.toLowerCase().replace(/^application\//, '')))
    throw refusedLogin('jwt_type', "error validating token: header parameter 'typ' is of no login token");
}

function readObject(part: string, maxBytes: number): Claims {
  let value: unknown;
  try {
    value = parseStrictJson(fromUtf8(decode(part)), { maxBytes, maxDepth: 16 });
  } catch (cause) {
    throw malformed('expected strict JSON in base64url', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed('expected JSON objects');
  // An object that is no array; read with `Object.hasOwn` or as own property of strict JSON only.
  return value as Claims;
}

/** Canonical only: with two spellings of one token, whoever remembers tokens by their text remembers half. */
function decode(part: string): Buffer {
  const bytes = Buffer.from(part, 'base64url');
  if (bytes.toString('base64url') !== part) throw malformed('expected base64url without padding');
  return bytes;
}

function malformed(expected: string, cause?: unknown) {
  return refusedLogin('jwt_malformed', `error validating token: malformed: ${expected}`, cause);
}
