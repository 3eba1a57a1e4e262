import { createHash } from 'node:crypto';
import type { JwtConfig } from '../jwt/config.ts';
import type { IssuerDocument } from '../jwt/discovery.ts';
import type { JwtRole } from '../jwt/role.ts';
import { invalidSetting, refusedLogin } from '../login.ts';
import { isAllowedRedirect } from './redirect.ts';

/** What must be remembered between sending a person to the issuer and seeing her again; secret until then. */
export interface PendingAuthorization {
  /** Names this record; the issuer sends it back. */
  readonly state: string;
  /** Comes back inside of the signed token. */
  readonly nonce: string;
  /** Proves to the issuer that who asks for the token began the flow (RFC 7636). */
  readonly codeVerifier: string;
  readonly redirectUri: string;
  readonly role: string;
  /** Of the client that began, which must give it again; may be empty. */
  readonly clientNonce: string;
  /** Of the configuration under which the flow began. */
  readonly fingerprint: string;
  /** Seconds since 1970, after which the record is worth nothing. */
  readonly expiresAtSeconds: number;
}

/** Time for a person to log in, as in Vault. */
const pendingSeconds = 600;
const randomSizeBytes = 32;
const maxClientNonceLength = 256;

/**
 * Makes the address to which a person is sent (OpenID Connect Core 1.0 section 3.1.2.1, with PKCE by S256) and the
 * record that the caller must keep, once, and for ten minutes. Throws `Fault('invalid')` for a role, redirect URI or
 * mount that is not meant for this.
 */
export function beginAuthorization(
  deps: { readonly randomBytes: (sizeBytes: number) => Uint8Array; readonly now: Date },
  config: JwtConfig,
  issuer: IssuerDocument,
  role: JwtRole,
  request: { readonly redirectUri: string; readonly clientNonce: string },
): { readonly url: string; readonly pending: PendingAuthorization } {
  const client = clientOf(config);
  if (role.type !== 'oidc') throw refusedLogin('oidc_role', 'role with jwt role_type is not allowed');
  if (issuer.authorizationUrl === undefined)
    throw invalidSetting('expected an issuer with an authorization endpoint');
  if (!isAllowedRedirect(role.allowedRedirectUris, request.redirectUri))
    throw refusedLogin('oidc_redirect', `unauthorized redirect_uri: ${request.redirectUri.slice(0, 256)}`);
  if (request.clientNonce.length > maxClientNonceLength)
    throw refusedLogin('oidc_nonce', `expected a client_nonce of at most ${maxClientNonceLength} characters`);
  const random = (): string => Buffer.from(deps.randomBytes(randomSizeBytes)).toString('base64url');
  const pending: PendingAuthorization = {
    state: random(),
    nonce: random(),
    codeVerifier: random(),
    redirectUri: request.redirectUri,
    role: role.name,
    clientNonce: request.clientNonce,
    fingerprint: config.fingerprint,
    expiresAtSeconds: Math.floor(deps.now.getTime() / 1000) + pendingSeconds,
  };
  const url = new URL(issuer.authorizationUrl);
  const parameters = {
    response_type: 'code',
    client_id: client.id,
    redirect_uri: pending.redirectUri,
    scope: [...new Set(['openid', ...role.oidcScopes])].join(' '),
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: createHash('sha256').update(pending.codeVerifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...(role.maxAgeSeconds === 0 ? {} : { max_age: String(role.maxAgeSeconds) }),
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return { url: url.href, pending };
}

export function clientOf(config: JwtConfig): NonNullable<JwtConfig['client']> {
  if (config.client === undefined)
    throw refusedLogin('oidc_config', 'OIDC login is not configured for this mount');
  return config.client;
}
