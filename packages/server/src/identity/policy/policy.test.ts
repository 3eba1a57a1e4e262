import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { builtInPolicies } from './built-in.ts';
import { capabilities } from './capability.ts';
import { isAllowed } from './decide.ts';
import { parseRules, type Rule } from './rules.ts';

const allow = (path: string, ...granted: Rule['capabilities']): Rule => ({
  path,
  capabilities: granted,
  effect: 'allow',
});
const deny = (path: string, ...granted: Rule['capabilities']): Rule => ({
  path,
  capabilities: granted,
  effect: 'deny',
});

describe('isAllowed', () => {
  it('denies by default', () => {
    expect(isAllowed([], 'read', 'projects/shop')).toBe(false);
    expect(isAllowed([allow('projects/shop', 'read')], 'update', 'projects/shop')).toBe(false);
  });

  it('matches literal paths exactly, one segment with +, and any rest with a final *', () => {
    const rules = [allow('projects/+/runs/*', 'read'), allow('ledger', 'read')];

    expect(isAllowed(rules, 'read', 'projects/shop/runs/run_1/logs')).toBe(true);
    expect(isAllowed(rules, 'read', 'projects/shop/runs')).toBe(false);
    expect(isAllowed(rules, 'read', 'projects/a/b/runs/run_1')).toBe(false);
    expect(isAllowed(rules, 'read', 'ledger')).toBe(true);
    expect(isAllowed(rules, 'read', 'ledger/more')).toBe(false);
    expect(isAllowed(rules, 'read', 'ledge')).toBe(false);
  });

  it('lets the most specific allow decide alone', () => {
    const rules = [allow('secrets/*', 'read', 'update'), allow('secrets/shop/prod/*', 'list')];

    expect(isAllowed(rules, 'update', 'secrets/shop/dev/db')).toBe(true);
    expect(isAllowed(rules, 'read', 'secrets/shop/prod/db')).toBe(false);
    expect(isAllowed(rules, 'list', 'secrets/shop/prod/db')).toBe(true);
  });

  it('lets a deny win over a more specific allow', () => {
    const rules = [deny('secrets/+/prod/*', 'read'), allow('secrets/shop/prod/db', 'read', 'list')];

    expect(isAllowed(rules, 'read', 'secrets/shop/prod/db')).toBe(false);
    expect(isAllowed(rules, 'list', 'secrets/shop/prod/db')).toBe(true);
  });

  it('denies paths that two readers could read differently, even to an administrator', () => {
    const admin = builtInPolicies.get('admin') ?? [];
    expect(isAllowed(admin, 'read', 'secrets/shop/dev/db')).toBe(true);

    for (const path of ['', '/', 'a//b', 'a/../b', 'a/.', '/a', 'a/', 'a/%2e%2e/b', 'a\n/b', 'a/*', 'a/\0'])
      expect(isAllowed(admin, 'read', path), JSON.stringify(path)).toBe(false);
  });

  it('keeps the agent policy away from secrets, identity and approvals', () => {
    const agent = builtInPolicies.get('agent') ?? [];
    expect(isAllowed(agent, 'create', 'agent/jobs')).toBe(true);

    for (const path of [
      'secrets/shop/dev/db',
      'identity/tokens/x',
      'projects/shop/environments/prod/approvals',
    ])
      for (const capability of capabilities) expect(isAllowed(agent, capability, path)).toBe(false);
  });

  it('never allows more when a deny is added, and never depends on the order of rules', () => {
    const segment = fc.constantFrom('a', 'b', '+', 'c');
    const pattern = fc
      .tuple(fc.array(segment, { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([parts, glob]) => [...parts, ...(glob ? ['*'] : [])].join('/'));
    const rule = fc.record({
      path: pattern,
      capabilities: fc.uniqueArray(fc.constantFrom(...capabilities), { minLength: 1 }),
      effect: fc.constantFrom<Rule['effect']>('allow', 'deny'),
    });
    const path = fc
      .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 })
      .map((p) => p.join('/'));

    fc.assert(
      fc.property(fc.array(rule, { maxLength: 6 }), rule, path, (rules, extra, asked) => {
        const before = isAllowed(rules, 'read', asked);
        expect(isAllowed([...rules].reverse(), 'read', asked)).toBe(before);
        if (!before) expect(isAllowed([...rules, { ...extra, effect: 'deny' }], 'read', asked)).toBe(false);
      }),
    );
  });
});

describe('parseRules', () => {
  it('parses rules and fills in the effect', () => {
    expect(parseRules([{ path: 'a/+/b*', capabilities: ['read', 'read'] }])).toEqual([
      allow('a/+/b*', 'read'),
    ]);
  });

  it('refuses everything it does not know', () => {
    const good = { path: 'a', capabilities: ['read'] };
    const hostile: unknown[] = [
      null,
      'x',
      {},
      [null],
      [[]],
      [{ ...good, path: '' }],
      [{ ...good, path: '/a' }],
      [{ ...good, path: 'a/' }],
      [{ ...good, path: 'a//b' }],
      [{ ...good, path: 'a/*/b' }],
      [{ ...good, path: 'a/**' }],
      [{ ...good, path: 'a/b+' }],
      [{ ...good, path: '../a' }],
      [{ ...good, path: 'a'.repeat(501) }],
      [{ ...good, path: 'a b' }],
      [{ ...good, capabilities: [] }],
      [{ ...good, capabilities: ['sudo'] }],
      [{ ...good, capabilities: 'read' }],
      [{ ...good, effect: 'maybe' }],
      [{ ...good, sneaky: true }],
      Array.from({ length: 201 }, () => good),
    ];

    for (const value of hostile)
      expect(() => parseRules(value), JSON.stringify(value)?.slice(0, 80)).toThrow(
        expect.objectContaining({ code: 'identity.policy_invalid' }),
      );
  });
});
