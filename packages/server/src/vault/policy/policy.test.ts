import { isFault } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { namesOfMask } from './capability.ts';
import { defaultPolicyText } from './default-policy.ts';
import { type Policy, parsePolicy } from './policy.ts';
import { anyPolicy, printHcl, printJson } from './print.fixture.ts';
import { limits } from './syntax.ts';

function grantOf(body: string) {
  const [rule] = parsePolicy('p', `path "a" { ${body} }`).rules;
  if (rule === undefined) throw new Error('expected a rule');
  return rule.grant;
}

function messageOf(text: string): string {
  try {
    parsePolicy('p', text);
  } catch (error) {
    if (isFault(error) && error.kind === 'invalid') return error.message;
    throw error;
  }
  throw new Error('expected a fault, got a policy');
}

describe('a policy', () => {
  it('has rules with capabilities, parameters and wrapping bounds', () => {
    const grant = grantOf(`
      comment = "why"
      capabilities = ["create", "update"]
      allowed_parameters = { "Bar" = ["zip", 1, true, { "k" = ["v"] }], "*" = [] }
      denied_parameters { "no" = [] }
      required_parameters = ["ID"]
      min_wrapping_ttl = "1m30s"
      max_wrapping_ttl = 3600`);

    expect(namesOfMask(grant.capabilities)).toEqual(['create', 'update']);
    expect(grant.allowed).toEqual(
      new Map<string, unknown>([
        ['bar', ['zip', 1, true, new Map([['k', ['v']]])]],
        ['*', []],
      ]),
    );
    expect(grant.denied).toEqual(new Map([['no', []]]));
    expect(grant.required).toEqual(new Set(['id']));
    expect([grant.minWrapSeconds, grant.maxWrapSeconds]).toEqual([90, 3600]);
  });

  it('is named in lower case, and never root', () => {
    expect(parsePolicy(' Dev ', 'name = "other"').name).toBe('dev');
    expect(parsePolicy('dev', '').rules).toEqual([]);
    for (const name of ['root', ' Root', '', ' ', 'a\0b', 'x'.repeat(257)]) {
      expect(() => parsePolicy(name, 'path "a" {}')).toThrow(/policy/);
    }
  });

  it.each([
    ['read', ['list', 'read']],
    ['write', ['create', 'delete', 'list', 'read', 'update']],
    ['sudo', ['create', 'delete', 'list', 'read', 'sudo', 'update']],
    ['deny', ['deny']],
  ])('knows the old keyword %s', (keyword, capabilities) => {
    expect(namesOfMask(grantOf(`policy = "${keyword}"`).capabilities)).toEqual(capabilities);
  });

  it('adds capabilities to the old keyword, and lets deny end both', () => {
    expect(namesOfMask(grantOf('policy = "read" capabilities = ["patch", "scan"]').capabilities)).toEqual([
      'list',
      'patch',
      'read',
      'scan',
    ]);
    expect(namesOfMask(grantOf('policy = "deny" capabilities = ["read", "sudo"]').capabilities)).toEqual([
      'deny',
    ]);
    expect(namesOfMask(grantOf('capabilities = ["read", "deny"]').capabilities)).toEqual(['deny']);
    expect(namesOfMask(grantOf('').capabilities)).toEqual(['deny']);
  });

  it.each([
    ['3600', 3600],
    ['"3600"', 3600],
    ['"1h"', 3600],
    ['"1h1m1s"', 3661],
    ['"2d"', 172_800],
    ['"1.5h"', 5_400],
    ['""', 0],
    ['0', 0],
  ])('reads the time %s', (written, seconds) => {
    expect(grantOf(`min_wrapping_ttl = ${written}`).minWrapSeconds).toBe(seconds);
  });

  it.each(['"-1s"', '-1', '1.5', '"h"', '"10ms"', '"99999999999"', '1e15', 'true', '[]'])(
    'refuses the time %s',
    (written) => {
      expect(messageOf(`path "a" {\nmax_wrapping_ttl = ${written} }`)).toMatch(
        /line 2, column 20: .*whole seconds/,
      );
    },
  );

  it.each([
    ['bad = "foo"', 'expected one of name, path, environments, got "bad"'],
    ['name {}', 'expected a string, got an object'],
    ['name "x" {}', 'expected no label'],
    ['path "a" { capabilites = ["read"] }', 'got "capabilites"'],
    ['path "a" { capabilities = ["read", "banana"] }', 'path "a": invalid capability "banana"'],
    ['path "a" { capabilities = ["Read"] }', 'invalid capability "Read"'],
    ['path "a" { capabilities = ["r\u0435ad"] }', 'invalid capability "r\\u{435}ad"'],
    ['path "a" { capabilities = ["root"] }', 'invalid capability "root"'],
    ['path "a" { capabilities = ["subscribe"] }', 'invalid capability "subscribe"'],
    ['path "a" { capabilities = ["recover"] }', 'invalid capability "recover"'],
    ['path "a" { capabilities = ["__proto__"] }', 'invalid capability'],
    ['path "a" { capabilities = "read" }', 'expected a list, got a string'],
    ['path "a" { policy = "banana" }', 'path "a": invalid policy "banana"'],
    ['path "a" { policy = "read" policy = "write" }', 'expected "policy" once'],
    ['path "a" { min_wrapping_ttl = 2 max_wrapping_ttl = 1 }', 'max_wrapping_ttl cannot be less than'],
    ['path "a" { allowed_parameters = { "x" = "y" } }', 'expected a list, got a string'],
    ['path "a" { allowed_parameters = { "x" = [], "X" = [1] } }', 'parameter "x" once'],
    ['path "a" { denied_parameters = { "*" = ["x"] } }', '"*" with an empty list'],
    ['path "a" { mfa_methods = ["x"] }', '"mfa_methods", which is not supported'],
    ['path "a" { pagination_limit = 5 }', '"pagination_limit", which is not supported'],
    ['path "a" { expiration = "2026-01-01T00:00:00Z" }', '"expiration", which is not supported'],
    ['path "a" { control_group = { factor "x" {} } }', '"control_group", which is not supported'],
    ['path "foo/+*" {}', 'without "+*"'],
    ['path "a\\nb" {}', 'visible characters'],
    ['path "a/{{x" {}', 'each {{ closed'],
    ['path "a/x}}" {}', 'each }} behind'],
    ['path "a/{{x}}}}" {}', 'each {{ closed'],
    ['path {}', 'with one path'],
    ['path "a" "b" {}', 'with one path'],
    ['path = "a"', 'with one path'],
    ['environments = []', 'got an empty list'],
    ['environments = ["prod"]', 'such as "shop/prod", got "prod"'],
    ['environments = ["shop/*"]', 'got "shop/*"'],
    ['environments = "shop/prod"', 'expected a list'],
  ])('refuses %s', (text, message) => {
    expect(messageOf(text)).toContain(message);
  });

  it('says the line of a wrong capability', () => {
    expect(messageOf('path "a" {\n  capabilities = ["no"]\n}')).toContain('line 2, column 18');
  });

  it('is bounded at the exact number of rules, parameters and values', () => {
    const rules = (count: number) => 'path "a" {}\n'.repeat(count);
    expect(parsePolicy('p', rules(limits.rules)).rules).toHaveLength(limits.rules);
    expect(messageOf(rules(limits.rules + 1))).toContain('1000 rules');
    const many = (count: number) => Array.from({ length: count }, (_, i) => `"p${i}" = []`).join(',');
    expect(messageOf(`path "a" { denied_parameters = { ${many(limits.parameters + 1)} } }`)).toContain('256');
    const values = `[${'1,'.repeat(limits.values + 1)}]`;
    expect(messageOf(`path "a" { denied_parameters = { "x" = ${values} } }`)).toContain('256');
    expect(messageOf(`path "${'a'.repeat(limits.pathLength + 1)}" {}`)).toContain('2048');
    expect(messageOf(`path "${'/'.repeat(limits.pathSegments)}" {}`)).toContain('128 segments');
  });

  it('is the same in HCL and in JSON, printed and read again', () => {
    fc.assert(
      fc.property(anyPolicy, (policy) => {
        expect(parsePolicy(policy.name, printHcl(policy))).toEqual(policy);
        expect(parsePolicy(policy.name, printJson(policy))).toEqual(policy);
      }),
      { numRuns: 300 },
    );
  });

  it('throws nothing but an invalid fault, whatever is in the blocks', () => {
    const key = fc.constantFrom(
      'capabilities',
      'policy',
      'allowed_parameters',
      'required_parameters',
      'comment',
      'x',
    );
    const value = fc.constantFrom(
      '"read"',
      '["read"]',
      '{ "a" = [] }',
      '[[]]',
      '1',
      'true',
      '{}',
      '[{}]',
      '"{{"',
    );
    const body = fc.array(
      fc.tuple(key, value).map(([k, v]) => `${k} = ${v}`),
      { maxLength: 3 },
    );
    const path = fc.string({
      unit: fc.constantFrom('a', '/', '+', '*', '{{', '}}', '.', '\\n'),
      maxLength: 8,
    });

    fc.assert(
      fc.property(fc.array(fc.tuple(path, body), { maxLength: 3 }), (blocks) => {
        const text = blocks.map(([name, lines]) => `path "${name}" {\n${lines.join('\n')}\n}\n`).join('');
        let policy: Policy | undefined;
        try {
          policy = parsePolicy('p', text);
        } catch (error) {
          expect(isFault(error) && error.kind).toBe('invalid');
        }
        if (policy !== undefined) expect(policy.rules).toHaveLength(blocks.length);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('the default policy', () => {
  it('is read by this parser, and grants something on each path it names', () => {
    const policy = parsePolicy('default', defaultPolicyText);

    expect(policy.templated).toBe(true);
    expect(policy.rules).toHaveLength(17);
    for (const { grant } of policy.rules) expect(namesOfMask(grant.capabilities)).not.toContain('deny');
    for (const { grant } of policy.rules) expect(namesOfMask(grant.capabilities)).not.toContain('sudo');
  });
});
