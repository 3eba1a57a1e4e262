import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileAcl } from './acl.ts';
import { parsePolicy } from './policy.ts';
import type { TemplateContext } from './template.ts';

const context: TemplateContext = {
  entity: {
    id: 'e-1',
    name: 'ann',
    metadata: { team: 'payments', 'a.b': 'dotted', empty: '' },
    aliases: [
      {
        accessor: 'auth_k8s_1',
        id: 'a-1',
        name: 'sa',
        metadata: { namespace: 'shop' },
        customMetadata: { tier: 'gold' },
      },
    ],
  },
  groups: [{ id: 'g-1', name: 'ops', metadata: { region: 'eu' } }],
};

/** The paths that `path` became for `who`. */
function pathsOf(path: string, who: TemplateContext = context): string[] {
  const acl = compileAcl([parsePolicy('p', `path "${path}" { policy = "write" }`)], who);
  return acl.rules().map(({ pattern }) => `${pattern.text}${pattern.glob ? '*' : ''}`);
}

const withName = (name: string): TemplateContext => ({
  entity: { id: 'e-1', name, metadata: {}, aliases: [] },
  groups: [],
});

describe('a template', () => {
  it.each([
    ['{{identity.entity.id}}', 'e-1'],
    ['{{ identity.entity.name }}', 'ann'],
    ['{{identity.entity.metadata.team}}', 'payments'],
    ['{{identity.entity.metadata.a.b}}', 'dotted'],
    ['{{identity.entity.aliases.auth_k8s_1.id}}', 'a-1'],
    ['{{identity.entity.aliases.auth_k8s_1.name}}', 'sa'],
    ['{{identity.entity.aliases.auth_k8s_1.metadata.namespace}}', 'shop'],
    ['{{identity.entity.aliases.auth_k8s_1.custom_metadata.tier}}', 'gold'],
    ['{{identity.groups.ids.g-1.name}}', 'ops'],
    ['{{identity.groups.ids.g-1.metadata.region}}', 'eu'],
    ['{{identity.groups.names.ops.id}}', 'g-1'],
    ['{{identity.groups.names.ops.metadata.region}}', 'eu'],
    ['u-{{identity.entity.name}}-{{identity.entity.id}}', 'u-ann-e-1'],
  ])('%s becomes %s', (template, value) => {
    expect(pathsOf(`kv/${template}/*`)).toEqual([`kv/${value}/*`]);
    expect(pathsOf(template)).toEqual([value]);
  });

  it.each([
    'identity.entity.metadata.none',
    'identity.entity.metadata.empty',
    'identity.entity.metadata.constructor',
    'identity.entity.metadata.__proto__',
    'identity.entity.metadata',
    'identity.entity.aliases.other.id',
    'identity.entity.aliases.auth_k8s_1',
    'identity.entity.aliases.auth_k8s_1.metadata.toString',
    'identity.entity.aliases.auth_k8s_1.secret',
    'identity.entity',
    'identity.groups.ids.g-2.name',
    'identity.groups.names.g-1.id',
    'identity.groups.names.ops.metadata.none',
    'identity.groups.names.ops',
    'identity.groups.all.ops.id',
    'time.now',
    '',
  ])('without a value takes its rule away: %s', (selector) => {
    expect(pathsOf(`kv/{{${selector}}}/*`)).toEqual([]);
    expect(pathsOf(`kv/{{identity.entity.id}}/{{${selector}}}`)).toEqual([]);
  });

  it('takes only its own rule away', () => {
    const text = 'path "kv/{{identity.entity.id}}" { policy = "read" } path "kv/a" { policy = "read" }';
    const acl = compileAcl([parsePolicy('p', text)]);

    expect(acl.rules().map(({ pattern }) => pattern.text)).toEqual(['kv/a']);
  });
});

describe('a hostile value', () => {
  it.each(['.', '..', '+', '/', 'a/b', '../x', '/..', 'a\0', 'a\nb', '\u202e', '\ud800', 'x'.repeat(513)])(
    'takes the rule away: %j',
    (name) => {
      expect(pathsOf('kv/{{identity.entity.name}}/*', withName(name))).toEqual([]);
      expect(pathsOf('kv/{{identity.entity.name}}', withName(name))).toEqual([]);
    },
  );

  it('makes no dots and no wildcard out of two halves', () => {
    expect(pathsOf('kv/.{{identity.entity.name}}/a', withName('.'))).toEqual([]);
    expect(pathsOf('kv/{{identity.entity.name}}{{identity.entity.name}}', withName('.'))).toEqual([]);
    expect(pathsOf('kv/{{identity.entity.name}}*', withName('+'))).toEqual([]);
  });

  it.each(['*', 'a*', '**', 'a+b', '+a', '{{identity.entity.id}}', '%2e%2e', '..a', '"'])(
    'stands for itself only: %j',
    (name) => {
      const acl = compileAcl(
        [parsePolicy('p', 'path "kv/{{identity.entity.name}}" { policy = "read" }')],
        withName(name),
      );
      const allowed = (path: string) => acl.check({ operation: 'read', path }).allowed;

      expect(allowed(`kv/${name}`)).toBe(true);
      for (const other of ['x', 'ax', 'a', 'e-1', '', 'a/b', `${name}x`, `${name}/x`]) {
        expect(allowed(`kv/${other}`)).toBe(other === name);
      }
    },
  );

  it('gains nothing in priority from a plus in it', () => {
    const text = `path "kv/{{identity.entity.name}}/*" { policy = "write" } path "kv/a+b/+" { policy = "deny" }`;
    const acl = compileAcl([parsePolicy('p', text)], withName('a+b'));

    expect(acl.check({ operation: 'read', path: 'kv/a+b/c' }).reason).toBe('denied');
  });

  it('never reaches outside the folder that is named after it', () => {
    const hostile = fc.string({
      unit: fc.constantFrom('*', '+', '.', '/', 'a', 'b', '{{', '}}'),
      maxLength: 4,
    });
    const policy = parsePolicy(
      'p',
      `path "kv/{{identity.entity.name}}/*" { policy = "read" }
       path "exact/{{identity.entity.name}}" { policy = "read" }
       path "+/{{identity.entity.name}}/x" { policy = "read" }`,
    );
    fc.assert(
      fc.property(
        hostile,
        hostile,
        fc.constantFrom('kv/', 'exact/', 'x/'),
        fc.boolean(),
        (name, rest, mount, own) => {
          const path = own ? `${mount}${name}/x${rest}` : `${mount}${rest}`;
          const { allowed } = compileAcl([policy], withName(name)).check({ operation: 'read', path });

          const [, second, ...others] = path.split('/');
          const owned =
            second === name &&
            ((mount === 'kv/' && others.length > 0) ||
              (mount === 'exact/' && others.length === 0) ||
              others[0] === 'x');
          if (allowed) expect(owned).toBe(true);
        },
      ),
      { numRuns: 5_000 },
    );
  });
});
