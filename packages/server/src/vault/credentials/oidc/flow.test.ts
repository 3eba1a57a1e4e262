import { createHash, randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { createFields } from '../../fields.ts';
import { boundedFetch } from '../fetch/bounded-fetch.ts';
import { parseJwtConfig } from '../jwt/config.ts';
import { createKeySets } from '../jwt/key-sets.ts';
import { parseJwtRole } from '../jwt/role.ts';
import { makeKey, signToken } from '../jwt/token.fixture.ts';
import { createServers, loopbackCaPem } from '../loopback.fixture.ts';
import { beginAuthorization, type PendingAuthorization } from './authorization.ts';
import { decideOidcLogin, exchangeCode } from './exchange.ts';
import { isAllowedRedirect } from './redirect.ts';

const servers = createServers();
afterEach(() => servers.closeAll());

const now = new Date('2026-11-20T12:00:00Z');
const seconds = now.getTime() / 1000;
const key = makeKey('RS256', 'a');
const redirectUri = 'http://localhost:8250/oidc/callback';
const roleFields = { user_claim: 'sub', allowed_redirect_uris: redirectUri, oidc_scopes: 'groups' };
const roleOf = (fields: object = {}) =>
  parseJwtRole('people', createFields({ ...roleFields, ...fields }), false);
const secret = 'p@ss:word/+ä';

/**
 * An issuer with a token endpoint that asks for what RFC 6749 section 4.1.3 and RFC 7636 section 4.6 say, and gives a
 * code out once.
 */
async function provider(
  options: { claims?: object; methods?: readonly string[]; answer?: string; status?: number } = {},
) {
  const codes = new Map<
    string,
    { readonly challenge: string; readonly redirectUri: string; readonly nonce: string }
  >();
  const { url } = await servers.serve((request, response) => {
    const issuer = `https://${request.headers.host}`;
    if (request.url === '/.well-known/openid-configuration') {
      response.end(
        JSON.stringify({
          issuer,
          jwks_uri: `${issuer}/keys`,
          authorization_endpoint: `${issuer}/authorize?tenant=a`,
          token_endpoint: `${issuer}/token`,
          token_endpoint_auth_methods_supported: options.methods,
        }),
      );
    } else if (request.url === '/keys') {
      response.end(JSON.stringify({ keys: [key.jwk] }));
    } else {
      let text = '';
      request.on('data', (chunk) => {
        text += chunk;
      });
      request.on('end', () => {
        if (options.answer !== undefined || options.status !== undefined) {
          response.writeHead(options.status ?? 200).end(options.answer);
          return;
        }
        const form = new URLSearchParams(text);
        const basic = Buffer.from(
          (request.headers.authorization ?? '').replace(/^Basic /, ''),
          'base64',
        ).toString();
        const [id = '', password = ''] = basic
          .split(':')
          .map((part) => decodeURIComponent(part.replaceAll('+', ' ')));
        const right =
          options.methods?.includes('client_secret_post') === true
            ? form.get('client_id') === 'sallyport' && form.get('client_secret') === secret
            : id === 'sallyport' && password === secret && !form.has('client_secret');
        const known = codes.get(form.get('code') ?? '');
        codes.delete(form.get('code') ?? '');
        const challenge = createHash('sha256')
          .update(form.get('code_verifier') ?? '')
          .digest('base64url');
        if (!right) response.writeHead(401).end('{"error":"invalid_client"}');
        else if (
          request.method !== 'POST' ||
          form.get('grant_type') !== 'authorization_code' ||
          known?.challenge !== challenge ||
          known.redirectUri !== form.get('redirect_uri')
        )
          response.writeHead(400).end('{"error":"invalid_grant"}');
        else {
          const claims = { iss: issuer, sub: 'alice', aud: 'sallyport', iat: seconds, exp: seconds + 300 };
          const idToken = signToken(key, { ...claims, nonce: known.nonce, ...options.claims });
          response.end(JSON.stringify({ access_token: 'x', token_type: 'Bearer', id_token: idToken }));
        }
      });
    }
  });
  const keySets = createKeySets({ fetch: boundedFetch, monotonicMs: () => 0 });
  const deps = { fetch: boundedFetch, keySets };
  const config = parseJwtConfig(
    createFields({
      oidc_discovery_url: url,
      oidc_discovery_ca_pem: loopbackCaPem,
      oidc_client_id: 'sallyport',
      oidc_client_secret: secret,
    }),
  );
  const { source } = config;
  if (source.kind !== 'discovery') throw new Error('expected discovery');
  const { document } = await keySets.issuer(source);
  const begin = (role = roleOf(), request: object = {}) =>
    beginAuthorization({ randomBytes, now }, config, document, role, {
      redirectUri,
      clientNonce: 'cn',
      ...request,
    });
  /** What the person and the issuer do: she logs in and comes back with a code. */
  const approve = (address: string): string => {
    const asked = new URL(address).searchParams;
    const code = randomBytes(8).toString('hex');
    codes.set(code, {
      challenge: asked.get('code_challenge') ?? '',
      redirectUri: asked.get('redirect_uri') ?? '',
      nonce: asked.get('nonce') ?? '',
    });
    return code;
  };
  return { deps, config, begin, approve };
}

async function whole(
  world: Awaited<ReturnType<typeof provider>>,
  fields: object = {},
  over: Partial<PendingAuthorization> = {},
) {
  const role = roleOf(fields);
  const { url, pending: begun } = world.begin(role);
  const pending = { ...begun, ...over };
  const verified = await exchangeCode(world.deps, world.config, pending, world.approve(url));
  return decideOidcLogin(world.config, role, pending, verified, 'cn', now);
}
const refusal = (code: string) => expect.objectContaining({ kind: 'invalid', code: `vault.${code}` });
const unavailable = expect.objectContaining({ kind: 'unavailable' });

describe('the authorization code flow', () => {
  it('brings a person from the issuer to a login', async () => {
    expect((await whole(await provider())).alias).toEqual({ name: 'alice', metadata: { role: 'people' } });
  });

  it('gives the secret in the form where the issuer takes no header', async () => {
    const world = await provider({ methods: ['client_secret_post', 'none'] });

    expect((await whole(world)).displayName).toBe('alice');
  });

  it('asks with state, nonce and challenge, and keeps what answers them to itself', async () => {
    const { begin } = await provider();
    const { url, pending } = begin(roleOf({ max_age: '1h' }));
    const asked = new URL(url);

    expect(Object.fromEntries(asked.searchParams)).toEqual({
      tenant: 'a',
      response_type: 'code',
      client_id: 'sallyport',
      redirect_uri: redirectUri,
      scope: 'openid groups',
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: createHash('sha256').update(pending.codeVerifier).digest('base64url'),
      code_challenge_method: 'S256',
      max_age: '3600',
    });
    expect(url).not.toContain(pending.codeVerifier);
    expect(new Set([pending.state, pending.nonce, pending.codeVerifier, begin().pending.state]).size).toBe(4);
    expect(pending.codeVerifier).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it.each([
    ['another redirect URI', {}, { redirectUri: 'http://localhost:8250/other' }, 'oidc_redirect'],
    ['a redirect URI elsewhere', {}, { redirectUri: 'https://evil.example/oidc/callback' }, 'oidc_redirect'],
    ['a role for tokens', { role_type: 'jwt', bound_subject: 'a' }, {}, 'oidc_role'],
    ['a huge client nonce', {}, { clientNonce: 'x'.repeat(300) }, 'oidc_nonce'],
  ])('does not begin with %s', async (_name, fields, request, code) => {
    const { begin } = await provider();

    expect(() => begin(roleOf(fields), request)).toThrow(refusal(code));
  });

  it.each([
    ['an intercepted code without its verifier', { codeVerifier: 'x'.repeat(43) }],
    ['a code for another redirect URI', { redirectUri: 'http://localhost:1/oidc/callback' }],
  ])('gives nothing for %s', async (_name, over) => {
    await expect(whole(await provider(), {}, over)).rejects.toThrow(refusal('oidc_code'));
  });

  it('takes a code once', async () => {
    const world = await provider();
    const { url, pending } = world.begin();
    const code = world.approve(url);
    await exchangeCode(world.deps, world.config, pending, code);

    await expect(exchangeCode(world.deps, world.config, pending, code)).rejects.toThrow(refusal('oidc_code'));
    for (const wrong of ['', undefined, 7, 'x'.repeat(5000), 'a&grant_type=password'])
      await expect(exchangeCode(world.deps, world.config, pending, wrong)).rejects.toThrow(
        refusal('oidc_code'),
      );
  });

  it.each([
    ['another nonce', 'oidc_nonce', { nonce: 'x' }],
    ['no nonce', 'oidc_nonce', { nonce: undefined }],
    ['another audience', 'oidc_audience', { aud: 'other' }],
    ['no audience', 'oidc_audience', { aud: undefined }],
    ['several audiences and no azp', 'oidc_audience', { aud: ['sallyport', 'other'] }],
    ['another azp', 'oidc_audience', { azp: 'other' }],
    ['another issuer', 'jwt_issuer', { iss: 'https://evil.example' }],
    ['no subject', 'oidc_token', { sub: undefined }],
    ['no end', 'oidc_token', { exp: undefined }],
    ['its end behind it', 'jwt_time', { exp: seconds - 61 }],
  ])('refuses an ID token with %s', async (_name, code, claims) => {
    await expect(whole(await provider({ claims }))).rejects.toThrow(refusal(code));
  });

  it('accepts several audiences when the token was given to us', async () => {
    const world = await provider({ claims: { aud: ['other', 'sallyport'], azp: 'sallyport' } });

    expect((await whole(world)).displayName).toBe('alice');
    await expect(whole(world, { bound_audiences: 'third' })).rejects.toThrow(refusal('jwt_audience'));
    expect((await whole(world, { bound_audiences: 'other' })).displayName).toBe('alice');
  });

  it('asks for the client nonce, the role and the time with which it began', async () => {
    const world = await provider();
    const { url, pending } = world.begin();
    const verified = await exchangeCode(world.deps, world.config, pending, world.approve(url));
    const decide =
      (over: object, nonce = 'cn', role = roleOf(), at = now) =>
      () =>
        decideOidcLogin(world.config, role, { ...pending, ...over }, verified, nonce, at);

    expect(decide({})).not.toThrow();
    expect(decide({}, 'other')).toThrow(refusal('oidc_nonce'));
    expect(decide({}, '')).toThrow(refusal('oidc_nonce'));
    expect(decide({ role: 'admins' })).toThrow(refusal('oidc_role'));
    expect(decide({}, 'cn', roleOf(), new Date(now.getTime() + 601_000))).toThrow(refusal('oidc_state'));
  });

  it('starts again when the mount was changed meanwhile', async () => {
    const one = await provider();
    const two = await provider();
    const { url, pending } = one.begin();
    const code = one.approve(url);

    await expect(exchangeCode(two.deps, two.config, pending, code)).rejects.toThrow(unavailable);
    const verified = await exchangeCode(one.deps, one.config, pending, code);
    expect(() => decideOidcLogin(two.config, roleOf(), pending, verified, 'cn', now)).toThrow(unavailable);
  });

  it.each([
    ['no JSON', { answer: 'ok' }],
    ['no ID token', { answer: '{"access_token":"x"}' }],
    ['two ID tokens', { answer: '{"id_token":"a","id_token":"b"}' }],
    ['a refused client', { status: 401 }],
    ['an error', { status: 500 }],
    ['a redirect', { status: 302 }],
    ['too much', { answer: `{"id_token":"${'x'.repeat(70_000)}"}` }],
  ])('waits for the operator on an answer with %s', async (_name, options) => {
    await expect(whole(await provider(options))).rejects.toThrow(unavailable);
  });

  it.each([
    ['a number', '{"id_token":7}'],
    ['no token', '{"id_token":"a.b.c"}'],
    ['an unsigned token', '{"id_token":"eyJhbGciOiJub25lIn0.e30."}'],
  ])('refuses an ID token that is %s', async (_name, answer) => {
    await expect(whole(await provider({ answer }))).rejects.toThrow(
      expect.objectContaining({ kind: 'invalid' }),
    );
  });
});

describe('a redirect URI', () => {
  const allowed = ['https://ui.example/callback', redirectUri, 'http://127.0.0.1/cb?x=1'];

  it.each([
    'https://ui.example/callback',
    redirectUri,
    'http://localhost:1/oidc/callback',
    'http://localhost/oidc/callback',
    'http://127.0.0.1:9/cb?x=1',
  ])('%s is allowed', (uri) => {
    expect(isAllowedRedirect(allowed, uri)).toBe(true);
  });

  it.each([
    '',
    'https://ui.example/callback/',
    'https://ui.example:8443/callback',
    'https://ui.example/callback?x=1',
    'https://ui.example/callback/../evil',
    'HTTPS://ui.example/callback',
    'http://ui.example/callback',
    'https://localhost:8250/oidc/callback',
    'http://localhost:8250/oidc/callback#x',
    'http://localhost:8250/oidc/callback?x',
    'http://localhost.evil.example:8250/oidc/callback',
    'http://user@localhost:8250/oidc/callback',
    'http://localhost:8250@evil.example/oidc/callback',
    'http://127.0.0.1:8250/oidc/callback',
    'http://[::1]:8250/oidc/callback',
    'http://127.0.0.1:9/cb',
    'javascript:alert(1)',
  ])('%s is not', (uri) => {
    expect(isAllowedRedirect(allowed, uri)).toBe(false);
  });
});
