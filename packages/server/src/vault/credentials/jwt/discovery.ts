import { fromUtf8, parseStrictJson } from '@sallyport/formats';
import { unavailable } from '../fetch/bounded-fetch.ts';
import { parseNamedEndpoint } from '../fetch/endpoint.ts';
import type { VerificationKey } from './keys.ts';

export const maxDiscoveryBytes = 256 * 1024;

/** What an issuer says of itself (OpenID Connect Discovery 1.0 section 3). */
export interface IssuerDocument {
  readonly issuer: string;
  readonly jwksUrl: URL;
  /** Absent where the issuer has no authorization code flow, as Kubernetes and CI systems. */
  readonly authorizationUrl: URL | undefined;
  readonly tokenUrl: URL | undefined;
  /** Client authentication at the token endpoint: by form only if the issuer does not take the header. */
  readonly secretInForm: boolean;
}

/** An issuer with its keys, loaded together so that they belong together. */
export interface Issuer {
  readonly document: IssuerDocument;
  readonly keys: readonly VerificationKey[];
}

/**
 * Reads a discovery document. The issuer in it must be, to the letter, the one configured: a document of somebody
 * else at this address would bring somebody else's keys (section 4.3). Throws `Fault('unavailable')`.
 */
export function parseIssuerDocument(body: Uint8Array, expectedIssuer: string, from: URL): IssuerDocument {
  let value: unknown;
  try {
    value = parseStrictJson(fromUtf8(body), { maxBytes: maxDiscoveryBytes, maxDepth: 16 });
  } catch (cause) {
    throw unavailable('expected a discovery document in strict JSON, got something else', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw unavailable('expected a discovery document, got something else');
  const fields = new Map<string, unknown>(Object.entries(value));
  if (fields.get('issuer') !== expectedIssuer)
    throw unavailable("expected the discovery document of 'oidc_discovery_url' itself, got another issuer's");
  const endpoint = (name: string): URL | undefined => {
    const text = fields.get(name);
    if (text === undefined) return undefined;
    try {
      return parseNamedEndpoint(typeof text === 'string' ? text : '', name, from);
    } catch (cause) {
      throw unavailable(`expected a usable '${name}' in the discovery document`, cause);
    }
  };
  const jwksUrl = endpoint('jwks_uri');
  if (jwksUrl === undefined) throw unavailable("expected 'jwks_uri' in the discovery document");
  const methods = fields.get('token_endpoint_auth_methods_supported');
  return {
    issuer: expectedIssuer,
    jwksUrl,
    authorizationUrl: endpoint('authorization_endpoint'),
    tokenUrl: endpoint('token_endpoint'),
    secretInForm:
      Array.isArray(methods) &&
      methods.includes('client_secret_post') &&
      !methods.includes('client_secret_basic'),
  };
}
