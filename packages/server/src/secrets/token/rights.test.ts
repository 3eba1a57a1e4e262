import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAllowed, type Rule } from '#identity';
import { compileAcl } from '../../vault/policy/acl.ts';
import { parsePolicy } from '../../vault/policy/policy.ts';
import { policyText } from './policy-text.ts';
import { rightsIn } from './rights.ts';

const environments = ['shop/dev', 'shop/prod', 'shopping/prod'];

const allow = (path: string, ...capabilities: Rule['capabilities']): Rule => ({
  path,
  capabilities,
  effect: 'allow',
});
const deny = (path: string, ...capabilities: Rule['capabilities']): Rule => ({
  path,
  capabilities,
  effect: 'deny',
});

/** What a token of the derived policy may do, asked of the policies of Vault's kind. */
function derived(rules: readonly Rule[]) {
  const text = policyText(environments.map((each) => rightsIn(each, rules)));
  const acl = compileAcl([parsePolicy('derived', text)]);
  return (operation: 'read' | 'create' | 'update' | 'patch' | 'delete' | 'list', path: string): boolean =>
    acl.check({ operation, path, environment: path.split('/').slice(0, 2).join('/') }).allowed;
}

describe('rights by Vault’s interface', () => {
  it('are those of the native paths: values, versions, names', () => {
    const may = derived([
      allow('secrets/shop/dev/*', 'read', 'list'),
      allow('secrets/shop/dev', 'list'),
      allow('secrets/shop/prod/orders/*', 'update'),
    ]);

    expect(may('read', 'shop/dev/data/orders/db')).toBe(true);
    expect(may('read', 'shop/dev/metadata/orders/db')).toBe(true);
    expect(may('list', 'shop/dev/metadata/')).toBe(true);
    expect(may('list', 'shop/dev/metadata/orders/')).toBe(true);
    expect(may('update', 'shop/dev/data/orders/db')).toBe(false);
    expect(may('update', 'shop/prod/data/orders/db')).toBe(true);
    expect(may('read', 'shop/prod/data/orders/db')).toBe(false);
    // A patch would keep, and so prove to have, what its writer may not read.
    expect(may('patch', 'shop/prod/data/orders/db')).toBe(false);
    expect(may('list', 'shop/prod/metadata/')).toBe(false);
    expect(may('read', 'shopping/prod/data/orders/db')).toBe(false);
  });

  it('follow wildcards over projects and environments', () => {
    const reads = derived([allow('secrets/+/prod/*', 'read')]);
    const lists = derived([allow('secrets/shop*', 'list')]);

    expect(reads('read', 'shop/prod/data/x')).toBe(true);
    expect(reads('read', 'shopping/prod/data/x')).toBe(true);
    expect(reads('read', 'shop/dev/data/x')).toBe(false);
    expect(lists('list', 'shop/dev/metadata/')).toBe(true);
    expect(lists('list', 'shopping/prod/metadata/')).toBe(true);
  });

  it('end where a denial is, also where a narrower rule would allow', () => {
    const may = derived([
      allow('secrets/shop/dev/*', 'read'),
      allow('secrets/shop/dev/orders/db', 'read', 'update'),
      deny('secrets/shop/dev/orders/*', 'read'),
    ]);

    expect(may('read', 'shop/dev/data/users/db')).toBe(true);
    expect(may('read', 'shop/dev/data/orders/other')).toBe(false);
    expect(may('read', 'shop/dev/data/orders/db')).toBe(false);
    expect(may('update', 'shop/dev/data/orders/db')).toBe(true);
  });

  it('of somebody without a rule for secrets are none', () => {
    const may = derived([allow('projects/*', 'read', 'update')]);

    expect(may('read', 'shop/dev/data/x')).toBe(false);
  });

  const segment = fc.constantFrom('a', 'b', 'ab', '+');
  const last = fc.constantFrom('a', 'b', 'ab', '+', '*', 'a*');
  const head = fc.constantFrom(
    ['secrets', 'shop', 'dev'],
    ['secrets', 'shop', 'prod'],
    ['secrets', '+', 'prod'],
    ['secrets', 'shop', '+'],
    ['secrets', '+', '+'],
  );
  const pattern = fc.oneof(
    {
      weight: 1,
      arbitrary: fc.constantFrom('*', 'secrets/*', 'secrets/sh*', 'secrets/shop/*', 'secrets/shop/d*'),
    },
    {
      weight: 6,
      arbitrary: fc
        .tuple(head, fc.array(segment, { maxLength: 2 }), last)
        .map(([place, middle, end]) => [...place, ...middle, end].join('/')),
    },
  );
  const capability = fc.constantFrom('read' as const, 'update' as const, 'list' as const, 'delete' as const);
  const rule = fc.record({
    path: pattern,
    capabilities: fc.uniqueArray(capability, { minLength: 1 }),
    effect: fc.constantFrom('allow' as const, 'allow' as const, 'deny' as const),
  });
  const path = fc.array(fc.constantFrom('a', 'b', 'ab', 'abc'), { minLength: 1, maxLength: 4 });

  it('are never more than the native ones, whatever the rules', () => {
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 6 }),
        fc.constantFrom(...environments),
        path,
        (rules, at, below) => {
          const may = derived(rules);
          const rest = below.join('/');
          const native = (wanted: 'read' | 'update' | 'list' | 'delete') =>
            isAllowed(rules, wanted, `secrets/${at}/${rest}`);
          if (may('read', `${at}/data/${rest}`)) expect(native('read')).toBe(true);
          for (const write of ['create', 'update', 'patch'] as const)
            if (may(write, `${at}/data/${rest}`)) expect(native('update')).toBe(true);
          if (may('patch', `${at}/data/${rest}`)) expect(native('read')).toBe(true);
          for (const named of ['metadata', 'subkeys'])
            if (may('read', `${at}/${named}/${rest}`)) expect(native('list')).toBe(true);
          for (const gone of ['data', 'metadata'])
            if (may('delete', `${at}/${gone}/${rest}`)) expect(native('delete')).toBe(true);
          for (const gone of ['delete', 'undelete', 'destroy'])
            if (may('update', `${at}/${gone}/${rest}`)) expect(native('delete')).toBe(true);
          for (const listed of [`${at}/metadata/`, `${at}/metadata/${rest}/`])
            if (may('list', listed)) expect(isAllowed(rules, 'list', `secrets/${at}`)).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('are the native ones where no two patterns cross', () => {
    const nested = fc.constantFrom('*', 'a/*', 'a/b/*', 'a/b', 'b/*', 'b/a', 'ab');
    const plain = fc.record({
      path: nested.map((each) => `secrets/shop/dev/${each}`),
      capabilities: fc.uniqueArray(capability, { minLength: 1 }),
      effect: fc.constantFrom('allow' as const, 'allow' as const, 'deny' as const),
    });
    fc.assert(
      fc.property(fc.array(plain, { maxLength: 6 }), path, (rules, below) => {
        const may = derived(rules);
        const rest = below.join('/');
        expect(may('read', `shop/dev/data/${rest}`)).toBe(
          isAllowed(rules, 'read', `secrets/shop/dev/${rest}`),
        );
        expect(may('update', `shop/dev/data/${rest}`)).toBe(
          isAllowed(rules, 'update', `secrets/shop/dev/${rest}`),
        );
      }),
      { numRuns: 1000 },
    );
  });
});
