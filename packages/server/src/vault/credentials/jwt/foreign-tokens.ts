import { type BoundedFetch, boundedFetch } from '../fetch/bounded-fetch.ts';
import { parseEndpoint } from '../fetch/endpoint.ts';
import { refusedLogin } from '../login.ts';
import type { JwtConfig, KeySource } from './config.ts';
import { createKeySets } from './key-sets.ts';
import { type Claims, jwtAlgorithms, parseJwt } from './token.ts';
import { verifyJwt } from './verify.ts';

/** Where the keys of an issuer are. */
export interface ForeignIssuer {
  readonly issuer: string;
  /** Without one, the issuer's discovery document names it. */
  readonly jwksUrl: string | undefined;
  /** The only certificate authorities to believe, as PEM; those of the system when empty. */
  readonly caPem: string;
}

/** Tokens of other issuers, with no mount behind them. */
export interface ForeignTokens {
  /**
   * Gives the payload of a token whose signature a key of its issuer verifies; times, audience and everything else in
   * it are the caller's to judge. `issuerOf` is asked with an `iss` that nobody vouches for yet, and must give the
   * issuer of exactly that name or nothing. Throws `Fault('invalid')` for a token, `unavailable` for an issuer that
   * does not answer within bounds.
   */
  verify(text: string, issuerOf: (name: string) => Promise<ForeignIssuer | undefined>): Promise<Claims>;
}

export function createForeignTokens({
  fetch = boundedFetch,
  monotonicMs = () => performance.now(),
}: {
  readonly fetch?: BoundedFetch;
  readonly monotonicMs?: () => number;
} = {}): ForeignTokens {
  const keySets = createKeySets({ fetch, monotonicMs });
  return {
    async verify(text, issuerOf) {
      const name = parseJwt(text).claims['iss'];
      const issuer = typeof name === 'string' ? await issuerOf(name) : undefined;
      if (issuer === undefined || issuer.issuer !== name)
        throw refusedLogin('jwt_issuer', 'error validating token: issuer is not known');
      return (await verifyJwt(keySets, configOf(issuer), text)).claims;
    },
  };
}

function configOf(issuer: ForeignIssuer): JwtConfig {
  return {
    source: sourceOf(issuer),
    fingerprint: '',
    boundIssuer: issuer.issuer,
    algorithms: jwtAlgorithms,
    defaultRole: '',
    client: undefined,
  };
}

function sourceOf({ issuer, jwksUrl, caPem }: ForeignIssuer): KeySource {
  if (jwksUrl !== undefined)
    return { kind: 'jwks', pairs: [{ url: parseEndpoint(jwksUrl, 'jwks_url'), caPem }] };
  const base = parseEndpoint(issuer, 'issuer').href.replace(/\/$/, '');
  return {
    kind: 'discovery',
    issuer,
    url: new URL(`${base}/.well-known/openid-configuration`),
    caPem,
  };
}
