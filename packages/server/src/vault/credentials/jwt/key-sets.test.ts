import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { createFields } from '../../fields.ts';
import { boundedFetch } from '../fetch/bounded-fetch.ts';
import { createServers, loopbackCaPem } from '../loopback.fixture.ts';
import { parseJwtConfig } from './config.ts';
import { createKeySets } from './key-sets.ts';
import { parseJwks } from './keys.ts';
import { makeKey, signToken, type TestKey } from './token.fixture.ts';
import { verifyJwt } from './verify.ts';

const servers = createServers();
afterEach(() => servers.closeAll());

const claims = { sub: 'alice' };
const key = makeKey('ES256', 'a');
const unavailable = expect.objectContaining({ kind: 'unavailable', code: 'vault.upstream' });
const refused = expect.objectContaining({ kind: 'invalid', code: 'vault.jwt_signature' });
const jwks = (...keys: readonly TestKey[]) => JSON.stringify({ keys: keys.map(({ jwk }) => jwk) });

/** A mount whose keys come from `url`, and a clock that only this test moves. */
function mount(fields: object) {
  let now = 0;
  const keySets = createKeySets({ fetch: boundedFetch, monotonicMs: () => now });
  const config = parseJwtConfig(createFields({ ...fields }));
  return {
    verify: (token: string) => verifyJwt(keySets, config, token),
    keySets,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

async function issuer(answer: () => string) {
  const server = await servers.serve((_request, response) => response.end(answer()));
  return { ...server, fields: { jwks_url: `${server.url}/keys`, jwks_ca_pem: loopbackCaPem } };
}

describe('keys from a JWKS', () => {
  it('verify over TLS, and are fetched once for many logins', async () => {
    const { fields, count } = await issuer(() => jwks(key, makeKey('RS256', 'b')));
    const { verify } = mount(fields);

    const all = await Promise.all(Array.from({ length: 50 }, () => verify(signToken(key, claims))));

    expect(all.every((verified) => verified.claims['sub'] === 'alice')).toBe(true);
    expect(count()).toBe(1);
  });

  it('are believed under the configured authority only', async () => {
    const { url } = await issuer(() => jwks(key));
    const { verify } = mount({ jwks_url: url });

    await expect(verify(signToken(key, claims))).rejects.toThrow(unavailable);
  });

  it('rotate: an unknown id asks again, at most once in ten seconds', async () => {
    let published = [key];
    const { fields, count } = await issuer(() => jwks(...published));
    const { verify, pass } = mount(fields);
    await verify(signToken(key, claims));
    const next = makeKey('ES256', 'next');
    published = [key, next];

    await expect(verify(signToken(next, claims))).rejects.toThrow(refused);
    pass(10_000);
    expect((await verify(signToken(next, claims))).claims['sub']).toBe('alice');
    for (let i = 0; i < 20; i++)
      await expect(verify(signToken(makeKey('ES256', `x${i}`), claims))).rejects.toThrow(refused);
    expect(count()).toBe(2);
  });

  it('are not asked for again by a wrong signature under a known id', async () => {
    const { fields, count } = await issuer(() => jwks(key));
    const { verify, pass } = mount(fields);
    await verify(signToken(key, claims));
    pass(11_000);

    await expect(verify(signToken(makeKey('ES256', 'a'), claims))).rejects.toThrow(refused);
    expect(count()).toBe(1);
  });

  it('are withdrawn when the issuer no longer shows them', async () => {
    let published = [key, makeKey('ES256', 'b')];
    const { fields } = await issuer(() => jwks(...published));
    const { verify, pass } = mount(fields);
    await verify(signToken(key, claims));
    published = published.slice(1);

    pass(300_000);
    await expect(verify(signToken(key, claims))).rejects.toThrow(refused);
  });

  it('outlive the issuer by ten minutes, and then nobody comes in', async () => {
    const { fields, close } = await issuer(() => jwks(key));
    const { verify, pass } = mount(fields);
    await verify(signToken(key, claims));
    await close();

    pass(899_999);
    expect((await verify(signToken(key, claims))).claims['sub']).toBe('alice');
    await expect(verify(signToken(makeKey('ES256', 'b'), claims))).rejects.toThrow(unavailable);
    pass(1);
    await expect(verify(signToken(key, claims))).rejects.toThrow(unavailable);
  });

  it('verify a token without an id by trying', async () => {
    const { fields } = await issuer(() => jwks(makeKey('ES256', 'b'), makeKey('ES384', 'c'), key));
    const { verify } = mount(fields);

    expect((await verify(signToken(key, claims, { kid: undefined }))).algorithm).toBe('ES256');
  });

  it('of several issuers are all tried, also while one is silent', async () => {
    const one = await issuer(() => jwks(key));
    const two = await issuer(() => jwks(makeKey('ES256', 'a')));
    const gone = await issuer(() => jwks(key));
    await gone.close();
    const pair = ({ fields }: typeof one) => fields;
    const both = mount({ jwks_pairs: [pair(two), pair(one)] });
    const partly = mount({ jwks_pairs: [pair(gone), pair(one)] });

    expect((await both.verify(signToken(key, claims))).claims['sub']).toBe('alice');
    await expect(both.verify(signToken(makeKey('ES256', 'a'), claims))).rejects.toThrow(refused);
    expect((await partly.verify(signToken(key, claims))).claims['sub']).toBe('alice');
    await expect(partly.verify(signToken(makeKey('ES256', 'z'), claims))).rejects.toThrow(unavailable);
  });

  it.each([
    ['no JSON', 'keys'],
    ['a page', '<html></html>'],
    ['a list', '[]'],
    ['no keys', '{"keys":[]}'],
    ['keys as an object', '{"keys":{}}'],
    ['doubled keys', `{"keys":[],"keys":${JSON.stringify([key.jwk])}}`],
    ['a secret only', '{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"a","alg":"HS256"}]}'],
    ['a weak key only', jwks(makeKey('RS256', 'a', 1024))],
    ['a key for encryption only', JSON.stringify({ keys: [{ ...key.jwk, use: 'enc' }] })],
    ['a key of another curve only', jwks(makeKey('ES256K', 'a'))],
    ['a point that is not on its curve', JSON.stringify({ keys: [{ ...key.jwk, x: key.jwk['y'] }] })],
    ['a key for another algorithm only', JSON.stringify({ keys: [{ ...key.jwk, alg: 'RS256' }] })],
    ['one id twice', jwks(key, makeKey('ES256', 'a'))],
    ['a private key', JSON.stringify({ keys: [key.privateKey.export({ format: 'jwk' })] })],
    ['101 keys', JSON.stringify({ keys: Array(101).fill({ kty: 'oct' }) })],
    ['an exponent of one', JSON.stringify({ keys: [{ ...makeKey('RS256').jwk, e: 'AQ' }] })],
    ['values of other types', JSON.stringify({ keys: [{ ...key.jwk, x: 7 }, null, 7, []] })],
  ])('are not there when the document has %s', async (_name, document) => {
    const { fields } = await issuer(() => document);
    const { verify } = mount(fields);

    await expect(verify(signToken(key, claims))).rejects.toThrow(unavailable);
  });

  it('are found among others that cannot be used', () => {
    const document = JSON.stringify({
      keys: [
        { kty: 'oct', k: 'c2VjcmV0', kid: 'a' },
        { ...makeKey('ES256', 'a').jwk, use: 'enc' },
        { kty: 'LATER', kid: 'a' },
        { ...makeKey('RS256', 'a').jwk, x5c: ['x'], alg: undefined },
        key.jwk,
      ],
    });

    const keys = parseJwks(Buffer.from(document));

    expect(keys.map(({ id, algorithms }) => [id, algorithms.length])).toEqual([
      ['a', 6],
      ['a', 1],
    ]);
  });

  it('do not come from a huge, slow, compressed, failing or redirecting server', async () => {
    const other = await issuer(() => jwks(key));
    const slow = await servers.serve((_request, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write(' '), 50);
      response.on('close', () => clearInterval(timer));
    });
    const huge = await servers.serve((_request, response) => {
      response.end(`{"a":"${'a'.repeat(300_000)}",${jwks(key).slice(1)}`);
    });
    const bomb = await servers.serve((_request, response) => {
      response
        .writeHead(200, { 'content-encoding': 'gzip' })
        .end(gzipSync(' '.repeat(50_000_000) + jwks(key)));
    });
    const failing = await servers.serve((_request, response) => response.writeHead(500).end(jwks(key)));
    const redirect = await servers.serve((_request, response) => {
      response.writeHead(302, { location: `${other.url}/keys` }).end(jwks(key));
    });
    const started = performance.now();

    await Promise.all(
      [slow, huge, bomb, failing, redirect].map(async ({ url }) => {
        const { verify } = mount({ jwks_url: url, jwks_ca_pem: loopbackCaPem });
        await expect(verify(signToken(key, claims))).rejects.toThrow(unavailable);
      }),
    );

    expect(performance.now() - started).toBeLessThan(8000);
    expect(other.count()).toBe(0);
  }, 15_000);
});

describe('keys from OIDC discovery', () => {
  async function provider(change: (document: Record<string, unknown>) => object = (document) => document) {
    const asked: string[] = [];
    const server = await servers.serve((request, response) => {
      asked.push(request.url ?? '');
      const issuer = `https://${request.headers.host}/tenant`;
      const document = { issuer, jwks_uri: `https://${request.headers.host}/keys`, other: [1, { a: 'b' }] };
      response.end(request.url === '/keys' ? jwks(key) : JSON.stringify(change(document)));
    });
    const fields = { oidc_discovery_url: `${server.url}/tenant`, oidc_discovery_ca_pem: loopbackCaPem };
    return { ...mount(fields), asked };
  }

  it('are found by two questions and kept', async () => {
    const { verify, asked } = await provider();

    await verify(signToken(key, claims));
    await verify(signToken(key, claims));

    expect(asked).toEqual(['/tenant/.well-known/openid-configuration', '/keys']);
  });

  it.each([
    ['another issuer', (document: object) => ({ ...document, issuer: 'https://evil.example' })],
    [
      'an issuer with a slash more',
      (document: { issuer?: string }) => ({ ...document, issuer: `${document.issuer}/` }),
    ],
    ['no issuer', (document: object) => ({ ...document, issuer: undefined })],
    ['no jwks_uri', (document: object) => ({ ...document, jwks_uri: undefined })],
    ['a jwks_uri without TLS', (document: object) => ({ ...document, jwks_uri: 'http://127.0.0.1:9/keys' })],
    ['a jwks_uri that is a file', (document: object) => ({ ...document, jwks_uri: 'file:///etc/passwd' })],
    ['a jwks_uri that is a list', (document: object) => ({ ...document, jwks_uri: ['https://127.0.0.1'] })],
    [
      'a token endpoint without TLS',
      (document: object) => ({ ...document, token_endpoint: 'http://127.0.0.1:9/' }),
    ],
    ['only a list', () => []],
  ])('are not there when the document has %s', async (_name, change) => {
    const { verify, asked } = await provider(change);

    await expect(verify(signToken(key, claims))).rejects.toThrow(unavailable);
    expect(asked).toEqual(['/tenant/.well-known/openid-configuration']);
  });
});
