import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isAllowed, type Rule } from '#identity';
import type { Actor } from '#platform';
import { person } from '../../../test-support/fakes.ts';
import { openSecrets, type SecretsFixture, text } from '../secrets.fixture.ts';
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

let open: SecretsFixture;
beforeAll(async () => {
  open = await openSecrets();
  const by: Actor = { ...person('maker'), kind: 'system' };
  for (const each of environments) {
    const [project = '', environment = ''] = each.split('/');
    await open.secrets.put(by, { project, environment, path: 'x', data: { k: text('v') } });
  }
});
afterAll(() => open.close());

/** Of what the tests below ask about. */
const plainPaths = ['shop/dev', 'shop/prod', 'shopping/prod'].flatMap((each) => [
  `${each}/metadata/`,
  `${each}/metadata/orders/`,
  ...['x', 'orders/db', 'orders/other', 'users/db'].flatMap((path) => [
    `${each}/data/${path}`,
    `${each}/metadata/${path}`,
  ]),
]);
const derivedOn = (rules: readonly Rule[]) => derived(rules, plainPaths);

type Operation = 'read' | 'create' | 'update' | 'patch' | 'delete' | 'list';

/** What a token of the derived policy may do on these paths: the vault is asked, as its clients ask. */
async function derived(rules: readonly Rule[], paths: readonly string[]) {
  const rights = environments.map((each) => rightsIn(each, rules));
  const policy = { name: 'derived', text: policyText(rights) };
  const issued = await open.signIn(person('ann'), 3600, () => ({ policy, environments }));
  const asked = await open.ask(issued.token.exposeUtf8(), 'POST', 'sys/capabilities-self', { paths });
  expect(asked.status).toBe(200);
  return (operation: Operation, path: string): boolean => {
    if (!paths.includes(path)) throw new Error(`${path} was not asked about`);
    return asked.body.data[path].includes(operation);
  };
}

describe('rights by Vault’s interface', () => {
  it('are those of the native paths: values, versions, names', async () => {
    const may = await derivedOn([
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

  it('follow wildcards over projects and environments', async () => {
    const reads = await derivedOn([allow('secrets/+/prod/*', 'read')]);
    const lists = await derivedOn([allow('secrets/shop*', 'list')]);

    expect(reads('read', 'shop/prod/data/x')).toBe(true);
    expect(reads('read', 'shopping/prod/data/x')).toBe(true);
    expect(reads('read', 'shop/dev/data/x')).toBe(false);
    expect(lists('list', 'shop/dev/metadata/')).toBe(true);
    expect(lists('list', 'shopping/prod/metadata/')).toBe(true);
  });

  it('end where a denial is, also where a narrower rule would allow', async () => {
    const may = await derivedOn([
      allow('secrets/shop/dev/*', 'read'),
      allow('secrets/shop/dev/orders/db', 'read', 'update'),
      deny('secrets/shop/dev/orders/*', 'read'),
    ]);

    expect(may('read', 'shop/dev/data/users/db')).toBe(true);
    expect(may('read', 'shop/dev/data/orders/other')).toBe(false);
    expect(may('read', 'shop/dev/data/orders/db')).toBe(false);
    expect(may('update', 'shop/dev/data/orders/db')).toBe(true);
  });

  it('of somebody without a rule for secrets are none', async () => {
    const may = await derivedOn([allow('projects/*', 'read', 'update')]);

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
  const segments = ['a', 'b', 'ab', 'abc'];
  const below = [1, 2, 3].flatMap((length) => combinations(segments, length));
  const rests = below.map((each) => each.join('/'));

  it('are never more than the native ones, whatever the rules', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(rule, { maxLength: 6 }),
        fc.constantFrom(...environments),
        fc.uniqueArray(fc.constantFrom(...rests), { minLength: 10, maxLength: 25 }),
        async (rules, at, some) => {
          const paths = some.flatMap((rest) => [
            ...['data', 'metadata', 'subkeys', 'delete', 'undelete', 'destroy'].map(
              (each) => `${at}/${each}/${rest}`,
            ),
            `${at}/metadata/${rest}/`,
          ]);
          const may = await derived(rules, paths);
          for (const rest of some) {
            const native = (wanted: 'read' | 'update' | 'list' | 'delete') =>
              isAllowed(rules, wanted, `secrets/${at}/${rest}`);
            const atMost = (
              engine: string,
              operation: Operation,
              ...wanted: ReadonlyArray<Parameters<typeof native>[0]>
            ) => {
              if (may(operation, `${at}/${engine}/${rest}`))
                for (const each of wanted)
                  expect([rest, engine, operation, each, native(each)]).toContain(true);
            };
            atMost('data', 'read', 'read');
            for (const write of ['create', 'update', 'patch'] as const) atMost('data', write, 'update');
            atMost('data', 'patch', 'read');
            for (const named of ['metadata', 'subkeys']) atMost(named, 'read', 'list');
            for (const gone of ['data', 'metadata']) atMost(gone, 'delete', 'delete');
            for (const gone of ['delete', 'undelete', 'destroy']) atMost(gone, 'update', 'delete');
            if (may('list', `${at}/metadata/${rest}/`))
              expect(isAllowed(rules, 'list', `secrets/${at}`)).toBe(true);
          }
        },
      ),
      { numRuns: 200 },
    );
  }, 120_000);

  it('are the native ones where no two patterns cross', async () => {
    const nested = fc.constantFrom('*', 'a/*', 'a/b/*', 'a/b', 'b/*', 'b/a', 'ab');
    const plain = fc.record({
      path: nested.map((each) => `secrets/shop/dev/${each}`),
      capabilities: fc.uniqueArray(capability, { minLength: 1 }),
      effect: fc.constantFrom('allow' as const, 'allow' as const, 'deny' as const),
    });
    const paths = rests.map((rest) => `shop/dev/data/${rest}`);
    await fc.assert(
      fc.asyncProperty(fc.array(plain, { maxLength: 6 }), async (rules) => {
        const may = await derived(rules, paths);
        for (const rest of rests)
          for (const wanted of ['read', 'update'] as const)
            expect([rest, wanted, may(wanted, `shop/dev/data/${rest}`)]).toEqual([
              rest,
              wanted,
              isAllowed(rules, wanted, `secrets/shop/dev/${rest}`),
            ]);
      }),
      { numRuns: 200 },
    );
  }, 120_000);
});

function combinations(segments: readonly string[], length: number): string[][] {
  if (length === 0) return [[]];
  return combinations(segments, length - 1).flatMap((each) => segments.map((segment) => [...each, segment]));
}
