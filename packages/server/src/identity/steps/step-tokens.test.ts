import { createHmac } from 'node:crypto';
import { createLocalJWKSet, importPKCS8, jwtVerify, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDb, type TestDb } from '../../../test-support/database.ts';
import { countingIds, fixedClock, recordingAudit, seededRandom } from '../../../test-support/fakes.ts';
import { createIdentity, type Identity, identityMigrations, type StepIdentity } from '../index.ts';
import { testSigner } from './signer.fixture.ts';

const issuer = 'https://sallyport.test';
const clock = fixedClock();
const signer = testSigner('key-1');
let test: TestDb;
let identity: Identity;

beforeAll(async () => {
  test = await openTestDb(identityMigrations);
  identity = createIdentity({
    db: test.db,
    audit: recordingAudit(),
    clock,
    random: seededRandom(),
    ids: countingIds(),
    oidcSigner: signer,
    issuer,
  });
});
afterAll(() => test.close());

const step: StepIdentity = {
  runId: 'run_00000000-0000-7000-8000-000000000001',
  step: 'e2e',
  project: 'shop',
  service: 'orders',
  environment: 'stage',
  trust: 'trusted',
  commit: 'a'.repeat(40),
  ref: 'refs/heads/main',
  audience: issuer,
  ttlSeconds: 3600,
};

const issue = (more: Partial<StepIdentity> = {}): Promise<string> =>
  test.db.write((tx) => identity.issueStepToken(tx, { ...step, ...more }));
const refused = expect.objectContaining({ kind: 'unauthenticated', code: 'identity.token_refused' });
const b64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
function payloadOf(jwt: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());
}
/** A token with a good signature over any header and payload: only the holder of our key could make it. */
function forge(header: unknown, payload: unknown): string {
  const input = `${b64(header)}.${b64(payload)}`;
  return `${input}.${Buffer.from(signer.signJose(Buffer.from(input))).toString('base64url')}`;
}
const goodHeader = { alg: 'ES256', kid: 'key-1', typ: 'JWT' };

describe('step identity tokens', () => {
  it('carry the stable subject and the claims, and verify with an independent reader of the JWKS', async () => {
    const jwt = await issue({ audience: 'sts.example.com' });

    const jwks: unknown = await identity.jwks();
    // The JSON is what a client would download.
    const keys = createLocalJWKSet(jwks as Parameters<typeof createLocalJWKSet>[0]);
    const { payload } = await jwtVerify(jwt, keys, {
      issuer,
      audience: 'sts.example.com',
      algorithms: ['ES256'],
      currentDate: clock.now(),
    });

    expect(payload).toMatchObject({
      sub: 'project:shop:env:stage:step:e2e',
      run_id: step.runId,
      source_sha: step.commit,
      ref: step.ref,
      trust: 'trusted',
    });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(600);
    expect(JSON.stringify(jwks)).not.toContain('"d"');
  });

  it('live no longer than the step or ten minutes, and speak for "build" without an environment', async () => {
    const short = payloadOf(await issue({ ttlSeconds: 90 }));
    const { environment: _none, ...without } = step;
    const build = payloadOf(await test.db.write((tx) => identity.issueStepToken(tx, without)));

    expect(Number(short['exp']) - Number(short['iat'])).toBe(90);
    expect(build['sub']).toBe('project:shop:env:build:step:e2e');
  });

  it('authenticate as the step, with no policy, until the step ends', async () => {
    const jwt = await issue({ step: 'one' });
    const other = await issue({ step: 'two' });

    const actor = await identity.authenticate(jwt);
    expect(actor).toMatchObject({
      kind: 'step',
      policies: [],
      groups: [],
      claims: { step: 'one', project: 'shop' },
    });
    await test.db.write((tx) => identity.endStepTokens(tx, step.runId, 'one'));

    await expect(identity.authenticate(jwt)).rejects.toThrow(refused);
    expect((await identity.authenticate(other)).kind).toBe('step');
    await test.db.write((tx) => identity.endStepTokens(tx, step.runId));
    await expect(identity.authenticate(other)).rejects.toThrow(refused);
  });

  it('are refused when expired, however slow the step', async () => {
    const jwt = await issue({ ttlSeconds: 5 });
    clock.advance(5000);

    await expect(identity.authenticate(jwt)).rejects.toThrow(refused);
  });

  it('are refused here when made out to somebody else', async () => {
    await expect(identity.authenticate(await issue({ audience: 'sts.example.com' }))).rejects.toThrow(
      refused,
    );
  });

  it('are not given to untrusted runs', async () => {
    await expect(issue({ trust: 'untrusted' })).rejects.toThrow(
      expect.objectContaining({ kind: 'denied', code: 'identity.untrusted_run' }),
    );
  });

  it('cannot be made to speak for another step through a name with a colon', async () => {
    for (const more of [
      { step: 'x:env:prod' },
      { project: 'a:env:b' },
      { environment: 'prod:step:deploy' },
      { step: '' },
      { commit: 'main' },
      { ref: 'a\nb' },
      { audience: 'a b' },
      { ttlSeconds: 0 },
    ])
      await expect(issue(more)).rejects.toThrow(expect.objectContaining({ code: 'identity.claim_invalid' }));
  });
});

describe('hostile tokens', () => {
  it('refuses other algorithms, keys and headers, even correctly signed', async () => {
    const payload = payloadOf(await issue());
    const good = forge(goodHeader, payload);
    expect((await identity.authenticate(good)).kind).toBe('step');

    const unsigned = `${b64({ alg: 'none', typ: 'JWT', kid: 'key-1' })}.${b64(payload)}.`;
    const hmacInput = `${b64({ ...goodHeader, alg: 'HS256' })}.${b64(payload)}`;
    const hmac = createHmac('sha256', signer.publicKeySpki).update(hmacInput).digest('base64url');
    const stranger = await new SignJWT(payload)
      .setProtectedHeader(goodHeader)
      .sign(await importPKCS8(testSigner('key-1').privatePem, 'ES256'));
    const hostile = [
      unsigned,
      `${unsigned}AAAA`,
      `${hmacInput}.${hmac}`,
      stranger,
      forge({ ...goodHeader, kid: 'key-2' }, payload),
      forge({ ...goodHeader, kid: undefined }, payload),
      forge({ ...goodHeader, jku: 'https://evil.test' }, payload),
      forge({ ...goodHeader, crit: ['exp'] }, payload),
      forge({ ...goodHeader, alg: 'none' }, payload),
      forge({ ...goodHeader, typ: 'at+jwt' }, payload),
      forge(`{"alg":"none","alg":"ES256","kid":"key-1","typ":"JWT"}`, payload),
    ];

    for (const jwt of hostile)
      await expect(identity.authenticate(jwt), jwt.slice(0, 60)).rejects.toThrow(refused);
  });

  it('refuses wrong, missing, doubled and oversized claims, even correctly signed', async () => {
    const payload = payloadOf(await issue());
    const text = JSON.stringify(payload);
    const seconds = Math.floor(clock.now().getTime() / 1000);
    const { jti: _jti, ...withoutId } = payload;
    const { exp: _exp, ...withoutExpiry } = payload;
    const { trust: _trust, ...withoutTrust } = payload;
    const hostile = [
      { ...payload, iss: 'https://evil.test' },
      { ...payload, aud: [issuer, 'x'] },
      { ...payload, aud: undefined },
      { ...payload, sub: 'project:shop:env:prod:step:e2e' },
      { ...payload, exp: seconds - 31 },
      { ...payload, exp: 'tomorrow' },
      { ...payload, exp: seconds + 100_000 },
      { ...payload, exp: 1e300 },
      { ...payload, nbf: seconds + 31 },
      { ...payload, iat: seconds + 31, exp: seconds + 60 },
      { ...payload, jti: 'stp_unknown' },
      { ...payload, run_id: 7 },
      { ...payload, padding: 'x'.repeat(9000) },
      withoutId,
      withoutExpiry,
      withoutTrust,
      `${text.slice(0, -1)},"sub":"project:shop:env:prod:step:e2e"}`,
      `{"exp":9999999999,${text.slice(1)}`,
      `${text} trailing`,
      '[]',
      'null',
      `${'{"a":'.repeat(50)}1${'}'.repeat(50)}`,
    ];

    for (const claims of hostile)
      await expect(
        identity.authenticate(forge(goodHeader, claims)),
        JSON.stringify(claims).slice(0, 100),
      ).rejects.toThrow(refused);
  });

  it('refuses other spellings of a good token and any flipped character', async () => {
    const jwt = await issue();
    const [header, payload, signature] = jwt.split('.');

    const spellings = [
      `${jwt}=`,
      `${jwt}.`,
      `.${jwt}`,
      ` ${jwt}`,
      `${header}.${payload}`,
      `${header}..${signature}`,
    ];
    for (const each of spellings) await expect(identity.authenticate(each)).rejects.toThrow(refused);
    for (let at = 0; at < jwt.length; at += 7) {
      const flipped = jwt.slice(0, at) + (jwt[at] === 'A' ? 'B' : 'A') + jwt.slice(at + 1);
      await expect(identity.authenticate(flipped), `at ${at}`).rejects.toThrow(refused);
    }
  });
});

describe('discovery', () => {
  it('names the issuer exactly and the algorithm we use', () => {
    expect(identity.discovery()).toMatchObject({
      issuer,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      id_token_signing_alg_values_supported: ['ES256'],
    });
  });
});
