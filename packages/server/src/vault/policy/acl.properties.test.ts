import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AccessRequest, compileAcl } from './acl.ts';
import { parsePolicy } from './policy.ts';
import {
  anyModel,
  anyRequest,
  anyRule,
  decideSlowly,
  type ModelPolicy,
  textOf,
  winners,
} from './reference.fixture.ts';

const compile = (policies: readonly ModelPolicy[]) =>
  compileAcl(policies.map((policy, index) => parsePolicy(`p${index}`, textOf(policy))));
const isAllowed = (policies: readonly ModelPolicy[], request: AccessRequest) =>
  compile(policies).check(request).allowed;
const anyPolicies = fc.array(anyModel, { maxLength: 4 });
const requests = fc.array(anyRequest, { minLength: 1, maxLength: 8 });

describe('a compiled decision', () => {
  it('is the one that a slow reading of the documentation makes', () => {
    let granted = 0;
    let refused = 0;
    fc.assert(
      fc.property(anyPolicies, requests, (policies, asked) => {
        const acl = compile(policies);
        for (const request of asked) {
          const decision = acl.check(request);
          const rules = winners(policies, request);
          const denied = rules.some(({ capabilities }) => capabilities.includes('deny'));

          expect(decision.allowed).toBe(decideSlowly(policies, request));
          expect(decision.sudo).toBe(
            !denied && rules.some(({ capabilities }) => capabilities.includes('sudo')),
          );
          expect(decision.reason === undefined).toBe(decision.allowed);
          if (decision.allowed) granted += 1;
          else if (rules.length > 0) refused += 1;
        }
      }),
      { numRuns: 1_200 },
    );
    // The comparison says nothing when one answer hardly occurs.
    expect(granted).toBeGreaterThan(150);
    expect(refused).toBeGreaterThan(150);
  });

  it('tells the capabilities that it goes by', () => {
    fc.assert(
      fc.property(anyPolicies, anyRequest, (policies, request) => {
        const acl = compile(policies);
        const path = `${request.path}/`;
        const { allowed } = acl.check({ ...request, operation: 'list', path });

        if (allowed) expect(acl.capabilities(path, request.environment)).toContain('list');
      }),
      { numRuns: 400 },
    );
  });

  it('does not depend on the order of policies and rules', () => {
    fc.assert(
      fc.property(anyPolicies, anyRequest, (policies, request) => {
        const turned = policies.toReversed().map((each) => ({ ...each, rules: each.rules.toReversed() }));

        expect(compile(turned).check(request)).toEqual(compile(policies).check(request));
      }),
      { numRuns: 400 },
    );
  });
});

describe('a right', () => {
  it('is never added by a rule that denies', () => {
    fc.assert(
      fc.property(anyPolicies, anyRule, anyRequest, fc.nat(4), (policies, rule, request, place) => {
        const deny = { environments: null, rules: [{ ...rule, capabilities: ['deny'] }] };
        const more = policies.toSpliced(place, 0, deny);

        if (isAllowed(more, request)) expect(isAllowed(policies, request)).toBe(true);
      }),
      { numRuns: 600 },
    );
  });

  it('is added by removing a policy only when a rule of that policy held it back', () => {
    let added = 0;
    fc.assert(
      fc.property(anyPolicies, requests, fc.nat(3), (policies, asked, index) => {
        const before = compile(policies);
        const after = compile(policies.toSpliced(index, 1));
        const removed = policies[index]?.rules.map(({ path }) => path.replace(/^\//, '')) ?? [];
        for (const request of asked) {
          if (before.check(request).allowed || !after.check(request).allowed) continue;
          added += 1;
          expect(removed).toContain(winners(policies, request)[0]?.path);
        }
      }),
      { numRuns: 1_000 },
    );
    expect(added).toBeGreaterThan(0);
  });

  it('is not added by removing a policy without denials and limits whose paths others name too', () => {
    fc.assert(
      fc.property(
        anyPolicies,
        anyRequest,
        fc.nat(3),
        fc.array(anyRule),
        (policies, request, index, extra) => {
          const others = policies.toSpliced(index, 1);
          const paths = others.flatMap(({ environments, rules }) => (environments === null ? rules : []));
          const removed: ModelPolicy = {
            environments: null,
            rules: extra.flatMap((rule, place) => {
              const path = paths[place]?.path;
              const capabilities = rule.capabilities.filter((name) => name !== 'deny');
              const plain = { allowed: {}, denied: {}, required: [], minWrap: 0, maxWrap: 0 };
              return path === undefined ? [] : [{ ...rule, ...plain, path, capabilities }];
            }),
          };

          if (isAllowed(others, request)) expect(isAllowed([...others, removed], request)).toBe(true);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('is granted by a policy that names environments there as without them, and nowhere else', () => {
    fc.assert(
      fc.property(anyModel, anyRequest, (policy, request) => {
        const scoped = { ...policy, environments: ['shop/dev'] };
        const elsewhere = { ...request, environment: 'shop/prod' };

        expect(isAllowed([scoped], elsewhere)).toBe(false);
        expect(isAllowed([scoped], { ...request, environment: 'shop/dev' })).toBe(
          isAllowed([{ ...policy, environments: null }], { ...request, environment: 'shop/dev' }),
        );
      }),
      { numRuns: 400 },
    );
  });
});
