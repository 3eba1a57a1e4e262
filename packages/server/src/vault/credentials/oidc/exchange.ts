import { timingSafeEqual } from 'node:crypto';
import { Fault, fromUtf8, parseStrictJson } from '@sallyport/formats';
import { isObject } from '../../fields.ts';
import { type BoundedFetch, fetchTimeoutMs, unavailable } from '../fetch/bounded-fetch.ts';
import type { JwtConfig } from '../jwt/config.ts';
import {
  checkBoundAudience,
  checkIssuer,
  checkSameSource,
  decideClaims,
  readAudiences,
} from '../jwt/decide.ts';
import type { KeySets } from '../jwt/key-sets.ts';
import type { JwtRole } from '../jwt/role.ts';
import type { Claims } from '../jwt/token.ts';
import { type VerifiedJwt, verifyJwt } from '../jwt/verify.ts';
import { type Login, refusedLogin } from '../login.ts';
import { clientOf, type PendingAuthorization } from './authorization.ts';

const maxAnswerBytes = 64 * 1024;
const maxCodeLength = 4096;

/**
 * Gives the issuer the code and gets the identity token (OpenID Connect Core 1.0 section 3.1.3), whose signature it
 * verifies. The caller has taken `pending` out of its store before: a code and its record are good for one try.
 * Throws `Fault('invalid')` when the issuer refuses the code, `Fault('unavailable')` when there is no answer to trust.
 */
export async function exchangeCode(
  deps: { readonly fetch: BoundedFetch; readonly keySets: KeySets },
  config: JwtConfig,
  pending: PendingAuthorization,
  code: unknown,
): Promise<VerifiedJwt> {
  const { source } = config;
  if (source.kind !== 'discovery' || config.fingerprint !== pending.fingerprint)
    throw new Fault(
      'unavailable',
      'vault.config_changed',
      'the configuration of the mount changed, log in again',
    );
  if (typeof code !== 'string' || code === '' || code.length > maxCodeLength)
    throw refusedLogin('oidc_code', 'expected the code that the issuer gave');
  const { document } = await deps.keySets.issuer(source);
  if (document.tokenUrl === undefined) throw unavailable('expected an issuer with a token endpoint');
  const { headers, form } = clientAuthentication(config, document.secretInForm);
  const answer = await deps.fetch({
    url: document.tokenUrl,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      redirect_uri: pending.redirectUri,
      code_verifier: pending.codeVerifier,
      ...form,
    }).toString(),
    caPem: source.caPem,
    maxBytes: maxAnswerBytes,
    signal: AbortSignal.timeout(fetchTimeoutMs),
  });
  // RFC 6749 section 5.2: 400 for a wrong code; 401 for a wrong client, which is the operator's to mend.
  if (answer.status === 400) throw refusedLogin('oidc_code', 'the issuer refused the code, log in again');
  if (answer.status !== 200) throw unavailable(`expected a token of the issuer, got status ${answer.status}`);
  return await verifyJwt(deps.keySets, config, readIdToken(answer.body));
}

/**
 * Decides whether the identity token opens the role now; synchronous and pure. `clientNonce` is what the client sent
 * with the callback. Throws `Fault('invalid')`; `Fault('unavailable')` when the mount was changed meanwhile.
 */
export function decideOidcLogin(
  config: JwtConfig,
  role: JwtRole,
  pending: PendingAuthorization,
  verified: VerifiedJwt,
  clientNonce: string,
  now: Date,
): Login {
  const client = clientOf(config);
  if (role.type !== 'oidc' || role.name !== pending.role)
    throw refusedLogin('oidc_role', 'expected the role with which the login began');
  if (now.getTime() / 1000 > pending.expiresAtSeconds)
    throw refusedLogin('oidc_state', 'expired or missing OAuth state');
  if (!equalTexts(pending.clientNonce, clientNonce)) throw refusedLogin('oidc_nonce', 'invalid client_nonce');
  checkSameSource(config, verified);
  const { claims } = verified;
  checkIssuer(config, claims);
  checkClientAudience(client.id, claims);
  if (role.boundAudiences.length > 0) checkBoundAudience(role, readAudiences(claims));
  // A token of another login, stolen or injected, carries another nonce (section 3.1.3.7, point 11).
  if (typeof claims['nonce'] !== 'string' || !equalTexts(claims['nonce'], pending.nonce))
    throw refusedLogin('oidc_nonce', 'invalid ID token nonce');
  for (const name of ['sub', 'exp', 'iat']) {
    if (!Object.hasOwn(claims, name))
      throw refusedLogin('oidc_token', `expected the claim '${name}' in the ID token`);
  }
  return decideClaims(role, claims, now);
}

/** Section 3.1.3.7, points 3 to 5: for us, and if for others too, then given to us. */
function checkClientAudience(clientId: string, claims: Claims): void {
  const audiences = readAudiences(claims);
  const givenTo = Object.hasOwn(claims, 'azp') ? claims['azp'] : undefined;
  const isOurs = audiences.includes(clientId) && (givenTo === undefined || givenTo === clientId);
  if (!isOurs || (audiences.length > 1 && givenTo === undefined))
    throw refusedLogin('oidc_audience', 'expected an ID token for this client');
}

/** RFC 6749 section 2.3.1: in the header, both parts encoded as in a form; in the form where the issuer wants that. */
function clientAuthentication(config: JwtConfig, inForm: boolean) {
  const { id, secret } = clientOf(config);
  const text = secret.exposeUtf8();
  if (inForm) return { headers: {}, form: { client_id: id, client_secret: text } };
  const encode = (part: string) => new URLSearchParams({ '': part }).toString().slice(1);
  const basic = Buffer.from(`${encode(id)}:${encode(text)}`).toString('base64');
  return { headers: { authorization: `Basic ${basic}` }, form: {} };
}

function readIdToken(body: Uint8Array): unknown {
  let value: unknown;
  try {
    value = parseStrictJson(fromUtf8(body), { maxBytes: maxAnswerBytes, maxDepth: 16 });
  } catch (cause) {
    throw unavailable('expected a token answer in strict JSON from the issuer, got something else', cause);
  }
  if (!isObject(value) || !Object.hasOwn(value, 'id_token'))
    throw unavailable("expected 'id_token' in the answer of the issuer");
  return value['id_token'];
}

function equalTexts(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
