import { createHash } from 'node:crypto';
import { SecretBytes } from '@sallyport/formats';
import { createFields, type Fields, isObject } from '../../fields.ts';
import { parseEndpoint } from '../fetch/endpoint.ts';
import { invalidSetting } from '../login.ts';
import { parsePemKeys, type VerificationKey } from './keys.ts';
import { type JwtAlgorithm, jwtAlgorithms } from './token.ts';

export interface JwksSource {
  readonly url: URL;
  /** Certificate authorities as PEM; empty for those of the system. */
  readonly caPem: string;
}

/** Where the keys come from; exactly one of three. */
export type KeySource =
  | { readonly kind: 'static'; readonly keys: readonly VerificationKey[] }
  | { readonly kind: 'jwks'; readonly pairs: readonly JwksSource[] }
  | { readonly kind: 'discovery'; readonly issuer: string; readonly url: URL; readonly caPem: string };

/** The configuration of one mount of auth/jwt or auth/oidc. */
export interface JwtConfig {
  readonly source: KeySource;
  /** Equal for equal sources: a token verified under one configuration is decided under the same one only. */
  readonly fingerprint: string;
  readonly boundIssuer: string;
  readonly algorithms: readonly JwtAlgorithm[];
  readonly defaultRole: string;
  /** Of the authorization code flow. */
  readonly client: { readonly id: string; readonly secret: SecretBytes } | undefined;
}

const maxPairs = 16;

/** Reads the fields of `POST auth/<mount>/config` as Vault names them. Throws `Fault('invalid')`. */
export function parseJwtConfig(fields: Fields): JwtConfig {
  const source = readSource(fields);
  const boundIssuer = fields.text('bound_issuer');
  if (boundIssuer !== '' && readPairs(fields).length > 0)
    throw invalidSetting("'bound_issuer' cannot be used with 'jwks_pairs'");
  const clientId = fields.text('oidc_client_id');
  const clientSecret = fields.text('oidc_client_secret');
  if ((clientId === '') !== (clientSecret === ''))
    throw invalidSetting("both 'oidc_client_id' and 'oidc_client_secret' must be set for OIDC");
  if (clientId !== '' && source.kind !== 'discovery')
    throw invalidSetting("'oidc_discovery_url' must be set for OIDC");
  return {
    source,
    fingerprint: fingerprintOf(source),
    boundIssuer,
    algorithms: readAlgorithms(fields),
    defaultRole: fields.text('default_role').toLowerCase(),
    client: clientId === '' ? undefined : { id: clientId, secret: SecretBytes.fromUtf8(clientSecret) },
  };
}

function readSource(fields: Fields): KeySource {
  const pems = fields.list('jwt_validation_pubkeys');
  const jwksUrl = fields.text('jwks_url');
  const pairs = readPairs(fields);
  const issuer = fields.text('oidc_discovery_url');
  const given = [pems.length > 0, jwksUrl !== '', pairs.length > 0, issuer !== ''];
  if (given.filter(Boolean).length !== 1)
    throw invalidSetting(
      "exactly one of 'jwt_validation_pubkeys', 'jwks_url', 'jwks_pairs' or 'oidc_discovery_url' must be set",
    );
  if (pems.length > 0) return { kind: 'static', keys: parsePemKeys(pems, 'jwt_validation_pubkeys') };
  const jwksCa = fields.text('jwks_ca_pem');
  if (jwksUrl !== '')
    return { kind: 'jwks', pairs: [{ url: parseEndpoint(jwksUrl, 'jwks_url'), caPem: jwksCa }] };
  if (pairs.length > 0) {
    if (jwksCa !== '') throw invalidSetting("'jwks_ca_pem' cannot be used with 'jwks_pairs'");
    return { kind: 'jwks', pairs };
  }
  if (issuer.includes('.well-known/openid-configuration'))
    throw invalidSetting("'oidc_discovery_url' contains '.well-known' component");
  const base = parseEndpoint(issuer, 'oidc_discovery_url');
  if (base.search !== '') throw invalidSetting("expected 'oidc_discovery_url' without a query");
  // OpenID Connect Discovery 1.0 section 4.1: one slash between the issuer, path included, and the well-known part.
  const url = new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  return { kind: 'discovery', issuer, url, caPem: fields.text('oidc_discovery_ca_pem') };
}

function readPairs(fields: Fields): readonly JwksSource[] {
  const value = fields.find('jwks_pairs') ?? [];
  if (!Array.isArray(value) || value.length > maxPairs)
    throw invalidSetting(`expected 'jwks_pairs' as a list of at most ${maxPairs} objects`);
  return value.map((pair: unknown) => {
    if (!isObject(pair)) throw invalidSetting("expected each of 'jwks_pairs' as an object");
    if (Object.keys(pair).some((name) => name !== 'jwks_url' && name !== 'jwks_ca_pem'))
      throw invalidSetting("expected only 'jwks_url' and 'jwks_ca_pem' in each of 'jwks_pairs'");
    const parts = createFields(pair);
    return { url: parseEndpoint(parts.text('jwks_url'), 'jwks_url'), caPem: parts.text('jwks_ca_pem') };
  });
}

function readAlgorithms(fields: Fields): readonly JwtAlgorithm[] {
  const names = fields.list('jwt_supported_algs');
  if (names.length === 0) return jwtAlgorithms;
  return names.map((name) => {
    const algorithm = jwtAlgorithms.find((candidate) => candidate === name);
    if (algorithm === undefined)
      throw invalidSetting(`expected each of 'jwt_supported_algs' as one of ${jwtAlgorithms.join(', ')}`);
    return algorithm;
  });
}

function fingerprintOf(source: KeySource): string {
  const parts = partsOf(source);
  return createHash('sha256')
    .update(JSON.stringify([source.kind, ...parts]))
    .digest('base64url');
}

function partsOf(source: KeySource): readonly string[] {
  switch (source.kind) {
    case 'static':
      return source.keys.map(({ key }) => key.export({ type: 'spki', format: 'der' }).toString('base64url'));
    case 'jwks':
      return source.pairs.flatMap(({ url, caPem }) => [url.href, caPem]);
    case 'discovery':
      return [source.issuer, source.caPem];
  }
}
