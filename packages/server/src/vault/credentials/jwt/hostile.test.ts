import { sign } from 'node:crypto';
import { isFault } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFields } from '../../fields.ts';
import { boundedFetch } from '../fetch/bounded-fetch.ts';
import { parseJwtConfig } from './config.ts';
import { authenticateJwt } from './decide.ts';
import { createKeySets } from './key-sets.ts';
import { parseJwtRole } from './role.ts';
import { encode, hmacToken, makeKey, signText, signToken } from './token.fixture.ts';
import { jwtAlgorithms, parseJwt } from './token.ts';

const now = new Date('2026-11-20T12:00:00Z');
const seconds = now.getTime() / 1000;
const keys = Object.fromEntries(jwtAlgorithms.map((algorithm) => [algorithm, makeKey(algorithm)]));
const key = keys['ES256'] ?? makeKey('ES256');
const rsa = keys['RS256'] ?? makeKey('RS256');
const claims = {
  iss: 'https://issuer.example',
  sub: 'repo:acme/orders',
  aud: 'sallyport',
  iat: seconds - 10,
  exp: seconds + 300,
};
const config = parseJwtConfig(
  createFields({
    jwt_validation_pubkeys: Object.values(keys).map(({ pem }) => pem),
    bound_issuer: claims.iss,
  }),
);
const role = parseJwtRole(
  'ci',
  createFields({
    role_type: 'jwt',
    bound_audiences: 'sallyport',
    user_claim: 'sub',
    bound_subject: claims.sub,
  }),
  false,
);
const keySets = createKeySets({ fetch: boundedFetch, monotonicMs: () => performance.now() });
const login = (token: unknown) => authenticateJwt({ keySets, now: () => now }, config, role, token);
const refused = expect.objectContaining({ kind: 'invalid' });
const derSignature = sign(
  'sha256',
  Buffer.from(signToken(key, claims).split('.', 2).join('.')),
  key.privateKey,
);
const [header64 = '', claims64 = '', signature64 = ''] = signToken(key, claims).split('.');

describe('a JWT login', () => {
  it.each(jwtAlgorithms)('accepts %s', async (algorithm) => {
    const signer = keys[algorithm] ?? key;

    expect((await login(signToken(signer, claims))).alias.name).toBe('repo:acme/orders');
  });

  it.each([undefined, null, 7, {}, [], '', '.', '..', '...', 'a.b.c', 'a'.repeat(20_000)])(
    'refuses what is no token: %.20j',
    async (token) => {
      await expect(login(token)).rejects.toThrow(refused);
    },
  );

  it.each([
    ['alg none without signature', `${encode('{"alg":"none"}')}.${claims64}.`],
    ['alg none with a signature', `${encode('{"alg":"none"}')}.${claims64}.${signature64}`],
    ['alg nOnE', `${encode('{"alg":"nOnE"}')}.${claims64}.AA`],
    ['no alg', `${encode('{"typ":"JWT"}')}.${claims64}.${signature64}`],
    ['alg as a list', `${encode('{"alg":["ES256"]}')}.${claims64}.${signature64}`],
    ['HS256 with the public key as secret', hmacToken(rsa.pem, claims, { alg: 'HS256', kid: rsa.id })],
    ['HS256 with the trimmed public key', hmacToken(rsa.pem.trim(), claims, { alg: 'HS256' })],
    ['an HMAC under the name RS256', hmacToken(rsa.pem, claims, { alg: 'RS256', kid: rsa.id })],
    ['two dots more', `${header64}.${claims64}.${signature64}.x.y`],
    ['five empty parts', '....'],
    [
      'JSON serialization',
      JSON.stringify({ payload: claims64, protected: header64, signature: signature64 }),
    ],
    ['a line feed after it', `${header64}.${claims64}.${signature64}\n`],
    ['a blank before it', ` ${header64}.${claims64}.${signature64}`],
    ['padding', `${header64}=.${claims64}.${signature64}`],
    ['padding of the signature', `${header64}.${claims64}.${signature64}==`],
    [
      'base64 with garbage that decoders skip',
      `${header64}.${claims64}.${signature64.slice(0, 8)}!${signature64.slice(8)}`,
    ],
    ['an empty signature', `${header64}.${claims64}.`],
    [
      'a zero signature (CVE-2022-21449)',
      `${header64}.${claims64}.${Buffer.alloc(64).toString('base64url')}`,
    ],
    ['a signature in DER', `${header64}.${claims64}.${derSignature.toString('base64url')}`],
    ['a key of another type under the header', `${encode('{"alg":"RS256"}')}.${claims64}.${signature64}`],
    [
      'claims of another token',
      `${header64}.${encode(JSON.stringify({ ...claims, exp: 9e9 }))}.${signature64}`,
    ],
  ])('refuses %s', async (_name, token) => {
    await expect(login(token)).rejects.toThrow(refused);
  });

  it('refuses the spare bits of the last base64 letter', async () => {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const good = signToken(key, claims);
    const last = letters.indexOf(good.slice(-1));
    // 64 bytes leave four spare bits in the last letter.
    const same = good.slice(0, -1) + letters[last | 1];

    expect(Buffer.from(same.split('.')[2] ?? '', 'base64url')).toEqual(
      Buffer.from(good.split('.')[2] ?? '', 'base64url'),
    );
    await expect(login(same)).rejects.toThrow(refused);
  });

  it.each([
    ['a doubled alg', '{"alg":"none","alg":"ES256","kid":"key-ES256"}'],
    ['a doubled kid', '{"alg":"ES256","kid":"x","kid":"key-ES256"}'],
    ['alg doubled by an escape', '{"alg":"ES256","\\u0061lg":"none"}'],
    ['crit', '{"alg":"ES256","crit":["exp"],"exp":1}'],
    ['b64', '{"alg":"ES256","b64":false,"crit":["b64"]}'],
    ['jku', '{"alg":"ES256","jku":"http://127.0.0.1:1/keys"}'],
    ['x5u', '{"alg":"ES256","x5u":"http://127.0.0.1:1/cert"}'],
    ['x5c', '{"alg":"ES256","x5c":[]}'],
    ['jwk', `{"alg":"ES256","jwk":${JSON.stringify(key.jwk)}}`],
    ['zip', '{"alg":"ES256","zip":"DEF"}'],
    ['enc', '{"alg":"ES256","enc":"A256GCM"}'],
    ['a logout token', '{"alg":"ES256","typ":"logout+jwt"}'],
    ['a security event', '{"alg":"ES256","typ":"application/secevent+jwt"}'],
    ['typ as a number', '{"alg":"ES256","typ":1}'],
    ['kid as a number', '{"alg":"ES256","kid":1}'],
    ['kid as an object', '{"alg":"ES256","kid":{"toString":"key"}}'],
    ['an empty kid', '{"alg":"ES256","kid":""}'],
    ['a huge kid', `{"alg":"ES256","kid":"${'k'.repeat(600)}"}`],
    ['a list as header', '["ES256"]'],
    ['null as header', 'null'],
    ['a byte order mark', '\ufeff{"alg":"ES256"}'],
    ['trailing data', '{"alg":"ES256"} {}'],
    ['deep nesting', `{"alg":"ES256","a":${'['.repeat(50)}${']'.repeat(50)}}`],
    ['a large header', `{"alg":"ES256","a":"${'a'.repeat(5000)}"}`],
  ])('refuses a rightly signed token whose header has %s', async (_name, header) => {
    await expect(login(signText(key, JSON.stringify(claims), header))).rejects.toThrow(refused);
  });

  it.each([
    '../../../dev/null',
    '/etc/passwd',
    "' OR 1=1 --",
    'key-ES256\u0000',
    'http://127.0.0.1/',
    '__proto__',
  ])('takes no path from kid %j: keys of the configuration are tried whatever it says', async (kid) => {
    const stranger = makeKey('ES256', kid);

    await expect(login(signToken(stranger, claims))).rejects.toThrow(refused);
    expect((await login(signToken(key, claims, { kid }))).displayName).toBe(claims.sub);
  });

  it.each([
    ['doubled exp', `{"exp":1,"exp":${claims.exp}}`],
    ['exp 1e400', '{"exp":1e400}'],
    ['a lone surrogate', '{"sub":"\\ud800"}'],
    ['a list', '[]'],
    ['a text', '"claims"'],
    ['nothing', ''],
    ['deep nesting', `{"a":${'{"a":'.repeat(100)}1${'}'.repeat(100)}}`],
  ])('refuses rightly signed claims that are %s', async (_name, text) => {
    await expect(login(signText(key, text, { alg: 'ES256' }))).rejects.toThrow(refused);
  });

  it('refuses a megabyte of claims without decoding it', async () => {
    const token = signText(key, JSON.stringify({ ...claims, a: 'x'.repeat(1_000_000) }), { alg: 'ES256' });
    const started = performance.now();

    await expect(login(token)).rejects.toThrow(/at most 16384 characters/);
    expect(performance.now() - started).toBeLessThan(50);
  });

  it('refuses a key that an attacker brings as "__proto__"', () => {
    const token = signText(key, '{"__proto__":{"sub":"root"}}', { alg: 'ES256' });

    expect(Object.hasOwn(parseJwt(token).claims, 'sub')).toBe(false);
    expect(Object.getPrototypeOf(parseJwt(token).claims)).toBe(Object.prototype);
  });

  it('accepts no mutation of a token, and fails with nothing but faults', async () => {
    const good = signToken(key, claims);
    const letters = [...'ABCabc019-_.=+/ \n{"é'];
    const mutation = fc.oneof(
      fc
        .tuple(fc.nat(good.length - 1), fc.constantFrom(...letters))
        .map(([at, letter]) => good.slice(0, at) + letter + good.slice(at + 1)),
      fc
        .tuple(fc.nat(good.length), fc.constantFrom(...letters))
        .map(([at, letter]) => good.slice(0, at) + letter + good.slice(at)),
      fc
        .tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 40 }))
        .map(([at, size]) => good.slice(0, at) + good.slice(at + size)),
      fc
        .tuple(fc.json(), fc.json())
        .map(([header, body]) => [encode(header), encode(body), signature64].join('.')),
      fc
        .dictionary(fc.constantFrom('alg', 'kid', 'typ', 'crit', 'jwk'), fc.jsonValue())
        .map((header) =>
          [encode(JSON.stringify({ alg: 'ES256', ...header })), claims64, signature64].join('.'),
        ),
      fc.string({ unit: 'binary', maxLength: 400 }),
    );
    await fc.assert(
      fc.asyncProperty(mutation, async (token) => {
        fc.pre(token !== good);
        const outcome = await login(token).catch((error: unknown) => error);
        expect(isFault(outcome) && ['invalid', 'denied', 'unavailable'].includes(outcome.kind)).toBe(true);
      }),
      { numRuns: 1500 },
    );
  });

  it('never opens the role with claims it does not allow, however they are written', async () => {
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom(claims.iss, claims.sub, 'sallyport', seconds));
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.constantFrom('iss', 'sub', 'aud', 'iat', 'exp', 'nbf', '__proto__'), value),
        async (changes) => {
          const changed: Record<string, unknown> = { ...claims, ...changes };
          const outcome = await login(signText(key, JSON.stringify(changed), { alg: 'ES256' })).catch(
            (error: unknown) => error,
          );
          if (isFault(outcome)) {
            expect(outcome.kind).toBe('invalid');
            return;
          }
          expect(outcome).toMatchObject({ alias: { name: claims.sub } });
          expect(changed['iss']).toBe(claims.iss);
          expect([changed['aud']].flat()).toContain('sallyport');
          expect(changed['exp'] as number).toBeGreaterThanOrEqual(seconds - 60);
        },
      ),
      { numRuns: 500 },
    );
  });
});
