import { describe, expect, it } from 'vitest';
import { createFields } from '../../fields.ts';
import { parseJwtConfig } from './config.ts';
import { decideJwtLogin } from './decide.ts';
import { parseJwtRole } from './role.ts';
import { makeKey } from './token.fixture.ts';

const now = new Date('2026-11-20T12:00:00Z');
const seconds = now.getTime() / 1000;
const configOf = (fields: object) => parseJwtConfig(createFields({ ...fields }));
const roleOf = (fields: object, hasBoundCidrs: boolean) =>
  parseJwtRole('dev', createFields({ ...fields }), hasBoundCidrs);
const { pem } = makeKey('ES256');
const config = configOf({ jwt_validation_pubkeys: pem });
const base = { sub: 'alice', aud: ['sallyport', 'other'], iat: seconds, exp: seconds + 60 };
const roleFields = { role_type: 'jwt', user_claim: 'sub', bound_audiences: ['sallyport'] };

function decide(claims: object, fields: object = {}, at = now, settings: object = {}) {
  const mount = configOf({ jwt_validation_pubkeys: pem, ...settings });
  const role = roleOf({ ...roleFields, ...fields }, true);
  const verified = {
    claims: { ...base, ...claims },
    algorithm: 'ES256' as const,
    fingerprint: mount.fingerprint,
  };
  return decideJwtLogin(mount, role, verified, at);
}
const refusal = (code: string) => expect.objectContaining({ kind: 'invalid', code: `vault.${code}` });

describe('the times of a JWT', () => {
  /** Claims as a parser gives them: what is undefined here is absent there. */
  const at = (times: { exp?: unknown; nbf?: unknown; iat?: unknown }, now: number, fields: object = {}) => {
    const role = roleOf({ ...roleFields, ...fields }, true);
    const claims = { sub: 'alice', aud: 'sallyport', ...times };
    const verified = { claims, algorithm: 'ES256' as const, fingerprint: config.fingerprint };
    return () => decideJwtLogin(config, role, verified, new Date(now * 1000));
  };

  it.each([
    ['exp', { exp: 1000 }, {}, 790, 1060],
    ['exp and not_before_leeway', { exp: 1000 }, { not_before_leeway: 50 }, 890, 1060],
    ['exp and nbf', { exp: 1000, nbf: 900 }, {}, 840, 1060],
    ['exp and iat', { exp: 1000, iat: 900 }, {}, 840, 1060],
    ['exp, nbf and a later iat', { exp: 1000, nbf: 800, iat: 900 }, {}, 840, 1060],
    ['iat', { iat: 900 }, {}, 840, 1110],
    ['iat and expiration_leeway', { iat: 900 }, { expiration_leeway: '10s' }, 840, 970],
    ['iat without leeway', { iat: 900 }, { expiration_leeway: -1, clock_skew_leeway: '-1' }, 900, 900],
    ['nbf', { nbf: 900 }, {}, 840, 1110],
    ['iat and a later nbf', { iat: 800, nbf: 900 }, {}, 840, 1110],
    ['no skew', { exp: 1000, iat: 900 }, { clock_skew_leeway: -1 }, 900, 1000],
    ['a skew of 5 s', { exp: 1000, iat: 900 }, { clock_skew_leeway: 5 }, 895, 1005],
    ['zero, which is the default', { exp: 1000, iat: 900 }, { clock_skew_leeway: 0 }, 840, 1060],
    ['fractions', { exp: 1000.5, iat: 900.5 }, { clock_skew_leeway: -1 }, 900.5, 1000.5],
  ])('with %s hold from the first second to the last', (_name, times, fields, first, last) => {
    expect(at(times, first, fields)).not.toThrow();
    expect(at(times, last, fields)).not.toThrow();
    expect(at(times, first - 0.25, fields)).toThrow(refusal('jwt_time'));
    expect(at(times, last + 0.25, fields)).toThrow(refusal('jwt_time'));
  });

  it.each([
    [{}],
    [{ exp: '9999999999' }],
    [{ exp: null, iat: 900 }],
    [{ exp: true, iat: 900 }],
    [{ exp: [2000], iat: 900 }],
    [{ exp: -1, iat: 900 }],
    [{ exp: 0, iat: 900 }],
    [{ exp: 1e300, iat: 900 }],
    [{ exp: Number.MAX_SAFE_INTEGER, iat: 900 }],
    [{ exp: 2000, iat: '900' }],
    [{ exp: 2000, nbf: 1e15 }],
    [{ exp: 2000, iat: 2000 }],
    [{ exp: 2000, nbf: 2000 }],
  ])('%j are refused', (times) => {
    expect(at(times, 1000)).toThrow(refusal('jwt_time'));
  });

  it('fail closed when the clock jumps or breaks', () => {
    expect(at({ exp: 1000, iat: 900 }, 1e9)).toThrow(refusal('jwt_time'));
    expect(at({ exp: 1000, iat: 900 }, 0)).toThrow(refusal('jwt_time'));
    expect(at({ exp: 1000, iat: 900 }, Number.NaN)).toThrow(refusal('jwt_time'));
  });

  it('with max_age ask when the person was there', () => {
    const fields = { max_age: '1h' };

    expect(() => decide({ auth_time: seconds - 3660 }, fields)).not.toThrow();
    expect(() => decide({ auth_time: seconds - 3661 }, fields)).toThrow(refusal('jwt_time'));
    expect(() => decide({ auth_time: seconds + 61 }, fields)).toThrow(refusal('jwt_time'));
    expect(() => decide({ auth_time: 'now' }, fields)).toThrow(refusal('jwt_time'));
    expect(() => decide({}, fields)).toThrow(refusal('jwt_time'));
  });
});

describe('what binds a JWT', () => {
  it.each([
    ['one of the audiences', {}, {}],
    ['a single audience', { aud: 'sallyport' }, {}],
    ['the subject', {}, { bound_subject: 'alice' }],
    ['a claim', { env: 'prod' }, { bound_claims: { env: 'prod' } }],
    ['a claim with several values', { env: 'dev' }, { bound_claims: { env: ['prod', 'dev'] } }],
    ['a claim that is a list', { env: ['x', 'prod'] }, { bound_claims: { env: 'prod' } }],
    ['a number', { n: 7 }, { bound_claims: { n: 7 } }],
    ['a boolean', { b: true }, { bound_claims: { b: true } }],
    ['a pointer', { k: { a: ['x', 'y'] } }, { bound_claims: { '/k/a/1': 'y' } }],
    ['a pointer with escapes', { 'a/b': { 'c~d': 'x' } }, { bound_claims: { '/a~1b/c~0d': 'x' } }],
    ['a claim with a slash inside', { 'https://x/role': 'a' }, { bound_claims: { 'https://x/role': 'a' } }],
    [
      'a glob',
      { ref: 'refs/heads/main' },
      { bound_claims: { ref: 'refs/*/main' }, bound_claims_type: 'glob' },
    ],
    ['a glob in a list', { g: [1, 'ab'] }, { bound_claims: { g: ['x', 'a*'] }, bound_claims_type: 'glob' }],
  ])('lets in by %s', (_name, claims, fields) => {
    expect(decide(claims, fields).alias.name).toBe('alice');
  });

  it.each([
    ['another audience', 'jwt_audience', { aud: 'elsewhere' }, {}],
    ['no audience', 'jwt_audience', { aud: [] }, {}],
    ['an audience in another case', 'jwt_audience', { aud: 'Sallyport' }, {}],
    ['part of an audience', 'jwt_audience', { aud: 'sallyport2' }, {}],
    ['an audience as an object', 'jwt_audience', { aud: { 0: 'sallyport' } }, {}],
    ['audiences with a number', 'jwt_audience', { aud: ['sallyport', 1] }, {}],
    ['an audience nobody asked for', 'jwt_audience', {}, { bound_audiences: [], bound_subject: 'alice' }],
    ['another subject', 'jwt_subject', {}, { bound_subject: 'bob' }],
    ['a missing claim', 'jwt_bound_claims', {}, { bound_claims: { env: 'prod' } }],
    ['a claim that is null', 'jwt_bound_claims', { env: null }, { bound_claims: { env: 'prod' } }],
    ['another value', 'jwt_bound_claims', { env: 'dev' }, { bound_claims: { env: 'prod' } }],
    ['a text for a number', 'jwt_bound_claims', { n: '7' }, { bound_claims: { n: 7 } }],
    ['a text for a boolean', 'jwt_bound_claims', { b: 'true' }, { bound_claims: { b: true } }],
    ['an object', 'jwt_bound_claims', { env: { a: 'prod' } }, { bound_claims: { env: 'prod' } }],
    ['a list in a list', 'jwt_bound_claims', { env: [['prod']] }, { bound_claims: { env: 'prod' } }],
    ['a glob that is only text', 'jwt_bound_claims', { env: 'prod' }, { bound_claims: { env: 'p*' } }],
    ['one of two claims', 'jwt_bound_claims', { a: 'x' }, { bound_claims: { a: 'x', b: 'y' } }],
    ['a pointer past the end', 'jwt_bound_claims', { k: ['x'] }, { bound_claims: { '/k/1': 'x' } }],
    ['a pointer by a negative index', 'jwt_bound_claims', { k: ['x'] }, { bound_claims: { '/k/-1': 'x' } }],
    ['a pointer to a length', 'jwt_bound_claims', { k: ['x'] }, { bound_claims: { '/k/length': 1 } }],
    [
      'a pointer into a prototype',
      'jwt_bound_claims',
      {},
      { bound_claims: { '/constructor/name': 'Object' } },
    ],
    ['a name of a prototype', 'jwt_user_claim', {}, { user_claim: 'constructor' }],
    ['no user claim', 'jwt_user_claim', {}, { user_claim: 'email' }],
    ['a user claim that is a number', 'jwt_user_claim', { email: 7 }, { user_claim: 'email' }],
    ['an empty user claim', 'jwt_user_claim', { email: '' }, { user_claim: 'email' }],
    ['metadata that is no text', 'jwt_metadata', { a: 1 }, { claim_mappings: { a: 'b' } }],
    ['no groups', 'jwt_groups_claim', {}, { groups_claim: 'groups' }],
    ['groups that are no texts', 'jwt_groups_claim', { groups: ['a', 1] }, { groups_claim: 'groups' }],
    ['too many groups', 'jwt_groups_claim', { groups: Array(1001).fill('a') }, { groups_claim: 'groups' }],
  ])('keeps out %s', (_name, code, claims, fields) => {
    expect(() => decide(claims, fields)).toThrow(refusal(code));
  });

  it('is the issuer, if one is bound', () => {
    const bound = { bound_issuer: 'https://issuer.example' };

    expect(() => decide({ iss: 'https://issuer.example' }, {}, now, bound)).not.toThrow();
    expect(() => decide({ iss: 'https://issuer.example/' }, {}, now, bound)).toThrow(refusal('jwt_issuer'));
    expect(() => decide({}, {}, now, bound)).toThrow(refusal('jwt_issuer'));
  });

  it('is the issuer of the discovery document, if none is bound', () => {
    const mount = configOf({ oidc_discovery_url: 'https://issuer.example/tenant' });
    const role = roleOf(roleFields, false);
    const login = (iss: string) => () =>
      decideJwtLogin(
        mount,
        role,
        { claims: { ...base, iss }, algorithm: 'RS256', fingerprint: mount.fingerprint },
        now,
      );

    expect(login('https://issuer.example/tenant')).not.toThrow();
    expect(login('https://issuer.example/other')).toThrow(refusal('jwt_issuer'));
  });

  it('gives alias, metadata and groups as plain data', () => {
    const claims = { groups: ['a', '', 'b', 'a'], org: { team: 'orders' } };
    const fields = { claim_mappings: { '/org/team': 'team', absent: 'x' }, groups_claim: 'groups' };

    expect(decide(claims, fields)).toEqual({
      alias: { name: 'alice', metadata: { team: 'orders', role: 'dev' } },
      metadata: { team: 'orders', role: 'dev' },
      groups: ['a', 'b'],
      displayName: 'alice',
    });
    expect(decide({ groups: 'one' }, { groups_claim: 'groups' }).groups).toEqual(['one']);
  });

  it('reads the user claim as a pointer only when told to', () => {
    const claims = { '/a/b': 'flat', a: { b: 'deep' } };

    expect(decide(claims, { user_claim: '/a/b' }).alias.name).toBe('flat');
    expect(decide(claims, { user_claim: '/a/b', user_claim_json_pointer: true }).alias.name).toBe('deep');
  });

  it('is decided again when the keys of the mount changed', () => {
    const role = roleOf(roleFields, false);
    const verified = { claims: base, algorithm: 'ES256' as const, fingerprint: config.fingerprint };
    const changed = configOf({ jwt_validation_pubkeys: makeKey('ES256').pem });
    const narrowed = configOf({ jwt_validation_pubkeys: pem, jwt_supported_algs: 'RS256' });

    expect(() => decideJwtLogin(config, role, verified, now)).not.toThrow();
    for (const other of [changed, narrowed])
      expect(() => decideJwtLogin(other, role, verified, now)).toThrow(
        expect.objectContaining({ kind: 'unavailable', code: 'vault.config_changed' }),
      );
  });

  it('is nothing a role of the other flow accepts', () => {
    const role = roleOf(
      { user_claim: 'sub', allowed_redirect_uris: 'http://localhost:8250/oidc/callback' },
      false,
    );
    const verified = { claims: base, algorithm: 'ES256' as const, fingerprint: config.fingerprint };

    expect(() => decideJwtLogin(config, role, verified, now)).toThrow(refusal('jwt_role'));
  });
});

describe('a role', () => {
  const setting = expect.objectContaining({
    kind: 'invalid',
    code: expect.stringMatching(/^vault\.(setting|field)$/),
  });

  it.each([
    ['no user claim', { user_claim: '' }],
    ['another type', { role_type: 'saml' }],
    ['oidc without redirect URIs', { role_type: 'oidc' }],
    ['a glob of a number', { bound_claims: { a: 1 }, bound_claims_type: 'glob' }],
    ['a bound claim that is an object', { bound_claims: { a: { b: 1 } } }],
    ['a bound claim with an empty list', { bound_claims: { a: [] } }],
    ['another kind of bound claims', { bound_claims_type: 'regex' }],
    ['two claims for one key', { claim_mappings: { a: 'x', b: 'x' } }],
    ['the reserved key', { claim_mappings: { a: 'role' } }],
    ['a pointer with a wrong escape', { bound_claims: { '/a~2': 'x' } }],
    ['a leeway of a week', { clock_skew_leeway: '168h' }],
    ['bound claims as text', { bound_claims: 'a=b' }],
    ['audiences as a number', { bound_audiences: 1 }],
    ['a flag that is neither', { user_claim_json_pointer: 'maybe' }],
  ])('with %s is refused', (_name, fields) => {
    expect(() => roleOf({ ...roleFields, ...fields }, false)).toThrow(setting);
  });

  it('is read in no time, whatever its pointers are', () => {
    const started = performance.now();

    expect(() => roleOf({ ...roleFields, bound_claims: { [`${'/'.repeat(500)}~`]: 'x' } }, false)).toThrow(
      setting,
    );
    expect(performance.now() - started).toBeLessThan(200);
  });

  it('binds a JWT to something', () => {
    const open = { role_type: 'jwt', user_claim: 'sub' };

    expect(() => roleOf(open, false)).toThrow(/at least one bound constraint/);
    expect(roleOf(open, true).type).toBe('jwt');
  });
});

describe('a configuration', () => {
  const setting = expect.objectContaining({
    kind: 'invalid',
    code: expect.stringMatching(/^vault\.(setting|field)$/),
  });
  const weak = makeKey('RS256', 'weak', 1024).pem;

  it.each([
    ['nothing', {}],
    ['two sources', { jwt_validation_pubkeys: pem, jwks_url: 'https://a.example' }],
    ['a weak key', { jwt_validation_pubkeys: [weak] }],
    ['no key', { jwt_validation_pubkeys: ['x'] }],
    ['a private key', { jwt_validation_pubkeys: [privatePem()] }],
    ['a curve without algorithm', { jwt_validation_pubkeys: [makeKey('ES256K').pem] }],
    ['plain http', { jwks_url: 'http://issuer.example' }],
    ['the well-known part', { oidc_discovery_url: 'https://a.example/.well-known/openid-configuration' }],
    ['an unknown algorithm', { jwt_validation_pubkeys: pem, jwt_supported_algs: 'HS256' }],
    ['alg none', { jwt_validation_pubkeys: pem, jwt_supported_algs: ['none'] }],
    ['a client without secret', { oidc_discovery_url: 'https://a.example', oidc_client_id: 'a' }],
    [
      'a client without issuer',
      { jwt_validation_pubkeys: pem, oidc_client_id: 'a', oidc_client_secret: 'b' },
    ],
    ['a pair with more in it', { jwks_pairs: [{ jwks_url: 'https://a.example', proxy: 'x' }] }],
    ['pairs and an authority', { jwks_pairs: [{ jwks_url: 'https://a.example' }], jwks_ca_pem: 'x' }],
    ['pairs and an issuer', { jwks_pairs: [{ jwks_url: 'https://a.example' }], bound_issuer: 'x' }],
    ['a pair that is text', { jwks_pairs: ['https://a.example'] }],
  ])('with %s is refused', (_name, fields) => {
    expect(() => configOf(fields)).toThrow(setting);
  });

  it('does not print the secret of its client', () => {
    const { client } = configOf({
      oidc_discovery_url: 'https://a.example',
      oidc_client_id: 'id',
      oidc_client_secret: 'hunter2',
    });

    expect(JSON.stringify(client)).toBe('{"id":"id","secret":"[secret]"}');
  });

  function privatePem(): string {
    return makeKey('ES256').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  }
});
