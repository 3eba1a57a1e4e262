import { describe, expect, it } from 'vitest';
import { lintRule } from './lint.ts';
import { matches } from './match.ts';
import { parseRule, type RuleDraft } from './rule.ts';

const github: RuleDraft = {
  name: 'shop',
  kind: 'github',
  issuer: 'https://token.actions.githubusercontent.com',
  audience: 'sigstore',
  claims: { repository_id: '74', ref: 'refs/heads/main' },
};
const lint = (over: Partial<RuleDraft>) =>
  lintRule(parseRule({ ...github, ...over })).map(({ code, severity }) => `${severity} ${code}`);

describe('the linter', () => {
  it('has nothing against a rule that names an id, a branch and its own audience', () => {
    expect(lint({})).toEqual([]);
  });

  it.each<[string, Partial<RuleDraft>]>([
    ['subject-missing', { claims: {} }],
    ['subject-missing', { claims: { ref: 'refs/heads/main' } }],
    ['subject-missing', { kind: 'uri', claims: { environment: 'prod' } }],
    ['subject-missing', { kind: 'sallyport', claims: { ref: 'refs/heads/main' } }],
    ['organisation-wide', { claims: { repository_owner_id: '65' } }],
    ['organisation-wide', { claims: { repository_owner: 'acme', ref: 'refs/heads/main' } }],
    ['organisation-wide', { kind: 'gitlab', claims: { namespace_id: '9' } }],
    ['organisation-wide', { kind: 'buildkite', claims: { organization_slug: 'acme' } }],
    ['organisation-wide', { kind: 'circleci', claims: { 'oidc.circleci.com/org-id': 'x' } }],
    ['organisation-wide', { kind: 'kubernetes', claims: { 'kubernetes.io/namespace': 'ci' } }],
    ['organisation-wide', { kind: 'email', claims: { hd: 'acme.test' } }],
    ['organisation-wide', { kind: 'sallyport', claims: { project: 'shop' } }],
    ['name-reusable', { claims: { repository: 'acme/shop' } }],
    ['name-reusable', { claims: { sub: 'repo:acme/shop:ref:refs/heads/main' } }],
    ['name-reusable', { kind: 'gitlab', claims: { project_path: 'acme/shop' } }],
    ['wildcard-in-identity', { claims: { repository_id: '7*' } }],
    ['wildcard-in-identity', { claims: { repository_id: '74', sub: 'repo:acme/*' } }],
    ['wildcard-in-identity', { kind: 'email', claims: { email: '*@acme.test' } }],
    ['wildcard-crosses-separator', { claims: { repository_id: '74', ref: '*' } }],
    ['wildcard-crosses-separator', { claims: { repository_id: '74', ref: 'refs/*' } }],
    ['wildcard-crosses-separator', { claims: { repository_id: '74', ref: 'refs/heads/*' } }],
    ['wildcard-crosses-separator', { claims: { repository_id: '74', ref: 'refs/heads/**' } }],
    [
      'wildcard-crosses-separator',
      { claims: { repository_id: '74', job_workflow_ref: 'acme/*@refs/heads/main' } },
    ],
    ['audience-shared', { audience: 'https://github.com/acme' }],
    [
      'audience-shared',
      { kind: 'kubernetes', audience: 'https://kubernetes.default.svc', claims: { sub: 'x' } },
    ],
  ])('refuses %s: %j', (code, over) => {
    expect(lint(over)).toContain(`refused ${code}`);
  });

  it('warns of a rule for every branch, and stores it all the same', () => {
    expect(lint({ claims: { repository_id: '74' } })).toEqual(['warning every-branch']);
  });

  it('lets a wildcard stand within one segment', () => {
    expect(lint({ claims: { repository_id: '74', ref: 'refs/tags/v*' } })).toEqual([]);
    expect(lint({ claims: { repository_id: '74', ref: 'refs/heads/release/*' } })).toEqual([]);
    const reference = 'acme/ci/.github/workflows/release.yml@refs/tags/v*';
    expect(lint({ claims: { repository_id: '74', job_workflow_ref: reference } })).toEqual([]);
  });
});

describe('a rule', () => {
  const token = {
    iss: github.issuer,
    aud: 'sigstore',
    repository_id: '74',
    ref: 'refs/heads/release-2',
  };
  const withRef = (ref: string) => parseRule({ ...github, claims: { repository_id: '74', ref } });

  it('matches all of its claims, and a wildcard within its segment only', () => {
    expect(matches(withRef('refs/heads/release-2'), token)).toBe(true);
    expect(matches(withRef('refs/heads/release-*'), token)).toBe(true);
    expect(matches(withRef('refs/heads/release-*'), { ...token, ref: 'refs/heads/release-2/x' })).toBe(false);
    expect(matches(withRef('refs/heads/release-*'), { ...token, ref: 'refs/heads/xrelease-2' })).toBe(false);
    expect(matches(withRef('refs/heads/release.2'), { ...token, ref: 'refs/heads/release-2' })).toBe(false);
  });

  it('matches no token of another issuer or audience, and none without its claims', () => {
    const rule = withRef('refs/heads/release-2');

    expect(matches(rule, { ...token, iss: `${github.issuer}/` })).toBe(false);
    expect(matches(rule, { ...token, aud: ['sigstore', 'other'] })).toBe(false);
    expect(matches(rule, { ...token, aud: ['sigstore'] })).toBe(true);
    expect(matches(rule, { ...token, repository_id: ['74'] })).toBe(false);
    expect(matches(rule, { ...token, repository_id: undefined })).toBe(false);
    expect(matches(parseRule({ ...github, claims: {} }), token)).toBe(false);
  });

  it('takes nothing from the prototype of a token', () => {
    const rule = parseRule({ ...github, claims: { toString: 'x', constructor: 'y' } });

    expect(matches(rule, token)).toBe(false);
  });

  it.each<Partial<RuleDraft>>([
    { kind: 'githb' },
    { name: 'Shop' },
    { name: '' },
    { issuer: 'http://issuer.test' },
    { issuer: 'https://user@issuer.test' },
    { issuer: 'token.actions' },
    { jwksUrl: 'file:///etc/passwd' },
    { audience: '' },
    { audience: 'two words' },
    { claims: { ref: '' } },
    { claims: { ref: 'a\nb' } },
    { claims: { ref: 'x'.repeat(301) } },
    { claims: { 'bad name': 'x' } },
    { claims: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`c${i}`, 'x'])) },
  ])('with %j is refused before it is judged', (over) => {
    expect(() => parseRule({ ...github, ...over })).toThrow(
      expect.objectContaining({ kind: 'invalid', code: 'signing.rule_invalid' }),
    );
  });
});
