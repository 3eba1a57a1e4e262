import { describe, expect, it } from 'vitest';
import { type AccessRequest, compileAcl } from './acl.ts';
import type { Operation } from './capability.ts';
import { parsePolicy } from './policy.ts';

/*
 * Outcomes of OpenBao at commit df6ce2cebaa823979215c116a16820aa913fe3b1 (2026-08-21). The priorities are the five rules
 * of website/content/docs/concepts/policies.mdx, "Policy syntax"; what no document states was read off
 * internal/vault/policy/acl.go and its tests, named at each table. Policies and paths are our own.
 */

function allowed(
  text: string,
  operation: Operation,
  path: string,
  rest: Partial<AccessRequest> = {},
): boolean {
  return compileAcl([parsePolicy('p', text)]).check({ operation, path, ...rest }).allowed;
}

const rule = (path: string, ...capabilities: string[]) =>
  `path "${path}" { capabilities = ${JSON.stringify(capabilities)} }\n`;

describe('which of two rules wins', () => {
  it.each([
    // An exact path wins before any priority is looked at (TestACL_Single).
    ['exact', 'kv/team/*', 'kv/team/db', 'kv/team/db'],
    ['exact', 'kv/+/db', 'kv/team/db', 'kv/team/db'],
    ['exact', 'kv/a*', 'kv/a+', 'kv/a+'],
    // Longest prefix.
    ['rule 1', 'kv/*', 'kv/team/*', 'kv/team/db'],
    ['rule 1', 'kv/te*', 'kv/team*', 'kv/teams'],
    ['rule 1', '*', 'k*', 'kv'],
    // The first wildcard, `+` or `*`, that comes later wins, also over one that is shorter or has more of them.
    ['rule 1', '+/*', 'kv/+/*', 'kv/a/b/c'],
    ['rule 1', 'kv/+/db', 'kv/team/*', 'kv/team/db'],
    ['rule 1', 'kv/+/a/b', 'kv/a/+/+', 'kv/a/a/b'],
    ['rule 1', 'kv/+/(a/b', 'kv/(a/+/b', 'kv/(a/(a/b'],
    // Both wildcards at the same place: an asterisk at the end loses.
    ['rule 2', 'kv/*', 'kv/+', 'kv/team'],
    ['rule 2', 'kv/*', 'kv/+/db', 'kv/team/db'],
    ['rule 2', 'kv/+/a*', 'kv/+/+', 'kv/team/ab'],
    ['rule 2', 'kv/+/+/a/*', 'kv/+/+/+/b', 'kv/1/2/a/b'],
    // More `+` lose; the documentation's own example is the second one.
    ['rule 3', 'kv/+/+/b', 'kv/+/a/b', 'kv/x/a/b'],
    ['rule 3', 'secret/+/+/foo/*', 'secret/*', 'secret/a/b/foo/c'],
    ['rule 3', '+/*', '*', 'kv/a/b'],
    ['rule 3', 'kv/+/+/*', 'kv/+/a/b*', 'kv/x/a/bcd'],
    // The shorter one loses.
    ['rule 4', 'kv/+/a/b*', 'kv/+/a/bc*', 'kv/x/a/bcd'],
    ['rule 4', 'kv/+/a/+/d', 'kv/+/+/long/d', 'kv/x/a/long/d'],
    // The one earlier in the alphabet loses; in UTF-8, where "+" is before letters.
    ['rule 5', 'kv/+/+/a/d', 'kv/+/b/+/d', 'kv/x/b/a/d'],
  ])('%s: %s loses to %s on %s', (_, loser, winner, path) => {
    const text = rule(loser, 'read') + rule(winner, 'update');
    const turned = rule(winner, 'update') + rule(loser, 'read');

    expect(allowed(rule(loser, 'read'), 'read', path)).toBe(true);
    for (const policy of [text, turned]) {
      expect(allowed(policy, 'update', path)).toBe(true);
      expect(allowed(policy, 'read', path)).toBe(false);
    }
  });
});

describe('what a pattern matches', () => {
  it.each([
    ['kv/db', 'kv/db', true],
    ['kv/db', 'kv/db/', false],
    ['kv/db', 'kv/dbx', false],
    ['/kv/db', 'kv/db', true],
    ['kv/*', 'kv/', true],
    ['kv/*', 'kv', false],
    ['kv/*', 'kv/a/b/c', true],
    ['kv/a-*', 'kv/a-b/c', true],
    ['kv/a-*', 'kv/a/c', false],
    ['kv/*/db', 'kv/a/db', false],
    ['kv/*/db', 'kv/*/db', true],
    ['kv/+/db', 'kv/a/db', true],
    ['kv/+/db', 'kv/a/b/db', false],
    ['kv/+/db', 'kv//db', true],
    ['+/db', 'kv/db', true],
    ['+', 'kv', true],
    ['+', 'kv/', false],
    ['kv/+', 'kv/a', true],
    ['kv/+', 'kv/a/', false],
    ['kv/+', 'kv/', true],
    ['kv/+/', 'kv/a/', true],
    ['kv/a+', 'kv/ab', false],
    ['kv/+a', 'kv/ba', false],
    ['kv/+/x/+/*', 'kv/a/x/b/', true],
    ['kv/+/x/+/*', 'kv/a/x/b', false],
    ['kv/+/x/+/*', 'kv/a/x/b/c/d', true],
    ['kv/+/x/+/end*', 'kv/a/x/b/ending/c', true],
    ['kv/+/x/+/end*', 'kv/a/x/b/en', false],
    ['', 'kv', false],
  ])('%j matches %j: %s', (pattern, path, matches) => {
    expect(allowed(rule(pattern, 'read'), 'read', path)).toBe(matches);
  });
});

describe('lists', () => {
  // The order of tries in AllowOperation, and TestACL_ListScanWildcardDeny.
  it.each([
    ['with the slash', rule('kv/team/', 'list'), true],
    ['without it', rule('kv/team', 'list'), true],
    ['as a glob', rule('kv/team/*', 'list'), true],
    ['as a segment', rule('kv/+', 'list'), true],
    ['as a segment with the slash', rule('kv/+/', 'list'), true],
    [
      'exact without the slash before a glob with it',
      rule('kv/team', 'read') + rule('kv/team/*', 'list'),
      false,
    ],
    ['exact with the slash before exact without', rule('kv/team/', 'list') + rule('kv/team', 'read'), true],
    [
      'a glob with the slash before a segment without',
      rule('kv/team/*', 'read') + rule('kv/+', 'list'),
      false,
    ],
    ['a denied folder in a granted one', rule('kv/*', 'list') + rule('kv/team/*', 'deny'), false],
  ])('of a folder are decided by the rule %s', (_, policy, expected) => {
    expect(allowed(policy, 'list', 'kv/team/')).toBe(expected);
    expect(allowed(policy, 'list', 'kv/team')).toBe(expected);
    expect(allowed(policy.replaceAll('list', 'scan'), 'scan', 'kv/team/')).toBe(expected);
  });

  it('need their own capability, and a read none of theirs', () => {
    expect(allowed(rule('kv/*', 'read'), 'list', 'kv/')).toBe(false);
    expect(allowed(rule('kv/*', 'list'), 'scan', 'kv/')).toBe(false);
    expect(allowed(rule('kv/*', 'list'), 'read', 'kv/a')).toBe(false);
    expect(allowed(rule('kv/team', 'read'), 'read', 'kv/team/')).toBe(false);
  });
});

describe('parameters', () => {
  const body = (fields: string) => `path "kv/a" { policy = "write" capabilities = ["patch"] ${fields} }`;
  const one = (name: string, value: unknown) => ({ [name]: value });

  // TestACL_AllowOperation and TestACL_ValuePermissions, and the examples of the documentation.
  it.each([
    ['allowed_parameters = { "zip" = [] }', { zip: 'x' }, true],
    ['allowed_parameters = { "zip" = [] }', { zap: 'x' }, false],
    ['allowed_parameters = { "zip" = [] }', {}, true],
    ['allowed_parameters = { "zip" = ["a"], "*" = [] }', { zip: 'a', other: 1 }, true],
    ['allowed_parameters = { "zip" = ["a"], "*" = [] }', { zip: 'b' }, false],
    ['allowed_parameters = {}', { zip: 'x' }, true],
    ['allowed_parameters = { "ZIP" = ["a"] }', { zIp: 'a' }, true],
    ['allowed_parameters = { "ZIP" = ["a"] }', { zIp: 'b' }, false],
    ['allowed_parameters = { "zip" = ["a"] }', { zip: null }, false],
    ['allowed_parameters = { "zip" = ["a*"] }', { zip: 'abc' }, true],
    ['allowed_parameters = { "zip" = ["*c"] }', { zip: 'abc' }, true],
    ['allowed_parameters = { "zip" = ["*b*"] }', { zip: 'abc' }, true],
    ['allowed_parameters = { "zip" = ["*b"] }', { zip: 'abc' }, false],
    ['allowed_parameters = { "zip" = ["*"] }', { zip: 'abc' }, false],
    ['allowed_parameters = { "zip" = ["*"] }', { zip: '*' }, true],
    ['allowed_parameters = { "zip" = [1, false, { "k" = "v" }] }', { zip: 1 }, true],
    ['allowed_parameters = { "zip" = [1, false, { "k" = "v" }] }', { zip: '1' }, false],
    ['allowed_parameters = { "zip" = [1, false, { "k" = "v" }] }', { zip: false }, true],
    ['allowed_parameters = { "zip" = [1, false, { "k" = "v" }] }', { zip: { k: 'v' } }, true],
    ['allowed_parameters = { "zip" = [1, false, { "k" = "v" }] }', { zip: { k: 'v', l: 1 } }, false],
    ['allowed_parameters = { "zip" = [1, false, { "k" = "v" }] }', { zip: [1] }, false],
    ['allowed_parameters = { "zip" = [[1, "a"]] }', { zip: [1, 'a'] }, true],
    ['allowed_parameters = { "zip" = [[1, "a*"]] }', { zip: [1, 'ab'] }, false],
    ['denied_parameters = { "zip" = [] }', { zip: 'x' }, false],
    ['denied_parameters = { "zip" = [] }', { zap: 'x' }, true],
    ['denied_parameters = { "zip" = ["a*"] }', { ziP: 'ab' }, false],
    ['denied_parameters = { "zip" = ["a*"] }', { zip: 'b' }, true],
    ['denied_parameters = { "*" = [] }', { zip: 'x' }, false],
    ['denied_parameters = { "*" = [] }', {}, true],
    ['allowed_parameters = { "zip" = [] } denied_parameters = { "zip" = [] }', { zip: 'x' }, false],
    ['required_parameters = ["zip"]', { zip: null }, true],
    ['required_parameters = ["Zip"]', { zip: 1, zap: 1 }, true],
    ['required_parameters = ["zip"]', { ZIP: 1 }, false],
    ['required_parameters = ["zip"]', {}, false],
  ])('%s and %j: %s', (fields, data, expected) => {
    for (const operation of ['read', 'create', 'update', 'patch'] as const) {
      expect(allowed(body(fields), operation, 'kv/a', { data })).toBe(expected);
    }
    expect(allowed(body(fields), 'delete', 'kv/a', { data })).toBe(true);
  });

  it('are no way around a denied value by brackets, spelling or prototype', () => {
    const text = body('denied_parameters = { "policies" = ["admin"], "__proto__" = [] }');
    for (const value of ['admin', ['admin'], ['dev', 'admin'], Array(2_000).fill('dev')]) {
      expect(allowed(text, 'update', 'kv/a', { data: one('Policies', value) })).toBe(false);
    }
    expect(allowed(text, 'update', 'kv/a', { data: one('policies', ['dev']) })).toBe(true);
    expect(allowed(text, 'update', 'kv/a', { data: JSON.parse('{"__proto__": 1}') })).toBe(false);
    expect(allowed(body('required_parameters = ["constructor"]'), 'update', 'kv/a', { data: {} })).toBe(
      false,
    );
  });

  it.each([
    ['min_wrapping_ttl = 300 max_wrapping_ttl = 400', [undefined, 299, 401], [300, 400]],
    ['min_wrapping_ttl = 300', [undefined, 299], [300, 9_999]],
    ['max_wrapping_ttl = 400', [undefined, 401], [1, 400]],
  ])('%s bounds the wrapping', (fields, refused, granted) => {
    for (const wrapTtlSeconds of refused) {
      expect(allowed(body(fields), 'read', 'kv/a', { wrapTtlSeconds })).toBe(false);
    }
    for (const wrapTtlSeconds of granted) {
      expect(allowed(body(fields), 'read', 'kv/a', { wrapTtlSeconds })).toBe(true);
    }
  });
});
