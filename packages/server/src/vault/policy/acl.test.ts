import { describe, expect, it } from 'vitest';
import { compileAcl } from './acl.ts';
import { capabilityBits, type Operation } from './capability.ts';
import { defaultPolicyText } from './default-policy.ts';
import { parsePolicy, rootPolicy } from './policy.ts';

const compile = (...texts: string[]) =>
  compileAcl(texts.map((text, index) => parsePolicy(`p${index}`, text)));
const rule = (path: string, ...capabilities: string[]) =>
  `path "${path}" { capabilities = ${JSON.stringify(capabilities)} }\n`;

describe('several policies', () => {
  it('add up on the same path, and not on different ones', () => {
    const acl = compile(rule('kv/*', 'read', 'delete'), rule('kv/*', 'update'), rule('kv/a*', 'patch'));

    expect(acl.capabilities('kv/b')).toEqual(['delete', 'read', 'update']);
    expect(acl.capabilities('kv/ab')).toEqual(['patch']);
  });

  it.each([['kv/a'], ['kv/*'], ['kv/+']])('are ended by one deny on the same path %s', (path) => {
    for (const acl of [
      compile(rule(path, 'read', 'sudo'), rule(path, 'deny'), rule(path, 'update')),
      compile(rule(path, 'deny'), rule(path, 'read', 'sudo')),
      compile(rule(path, 'read', 'sudo') + rule(path, 'deny')),
    ]) {
      expect(acl.check({ operation: 'read', path: 'kv/a' })).toEqual({
        allowed: false,
        sudo: false,
        reason: 'denied',
      });
      expect(acl.capabilities('kv/a')).toEqual(['deny']);
      expect(acl.rules().map(({ grant }) => grant.capabilities)).toEqual([capabilityBits.deny]);
    }
  });

  it('keep the shorter wrapping bounds, of which no time may be left', () => {
    const acl = compile(
      'path "a" { policy = "read" min_wrapping_ttl = 100 max_wrapping_ttl = 300 }',
      'path "a" { policy = "read" min_wrapping_ttl = 50 max_wrapping_ttl = 200 }',
      'path "a" { policy = "read" }',
    );
    const contradiction = compile(
      'path "a" { policy = "read" min_wrapping_ttl = 100 }',
      'path "a" { policy = "read" max_wrapping_ttl = 50 }',
    );
    const allows = (wrapTtlSeconds: number) =>
      acl.check({ operation: 'read', path: 'a', wrapTtlSeconds }).allowed;

    expect([49, 50, 200, 201].map(allows)).toEqual([false, true, true, false]);
    for (const wrapTtlSeconds of [undefined, 50, 75, 100]) {
      expect(contradiction.check({ operation: 'read', path: 'a', wrapTtlSeconds }).reason).toBe('wrapping');
    }
  });

  it('merge parameters: values add up, "any" swallows them, required ones add up', () => {
    const acl = compile(
      'path "a" { policy = "write" allowed_parameters = { "x" = [1], "y" = [1] } required_parameters = ["x"] }',
      'path "a" { policy = "write" allowed_parameters = { "x" = [2], "y" = [] } required_parameters = ["y"] }',
      'path "a" { policy = "write" denied_parameters = { "y" = [9] } }',
      'path "a" { policy = "write" }',
    );
    const allows = (data: Record<string, unknown>) =>
      acl.check({ operation: 'update', path: 'a', data }).allowed;

    expect(allows({ x: 1, y: 5 })).toBe(true);
    expect(allows({ x: 2, y: 'any' })).toBe(true);
    expect(allows({ x: 3, y: 5 })).toBe(false);
    expect(allows({ x: 1, y: 9 })).toBe(false);
    expect(allows({ x: 1, y: 5, z: 1 })).toBe(false);
    expect(allows({ x: 1 })).toBe(false);
  });

  it('leave each policy as it was: what is merged is a copy', () => {
    const wide = parsePolicy('wide', 'path "a" { policy = "write" denied_parameters = { "x" = [1] } }');
    const narrow = parsePolicy('narrow', 'path "a" { policy = "write" denied_parameters = { "x" = [] } }');
    compileAcl([wide, narrow]).check({ operation: 'update', path: 'a' });

    expect(compileAcl([wide]).check({ operation: 'update', path: 'a', data: { x: 2 } }).allowed).toBe(true);
  });
});

describe('a decision', () => {
  const acl = compile(
    rule('kv/a', 'read', 'sudo') + rule('kv/none') + rule('*', 'list') + rule('kv/no', 'deny'),
  );
  const check = (operation: Operation, path: string) => acl.check({ operation, path });

  it('says for the log why it refuses, and whether the rule has sudo', () => {
    expect(check('read', 'kv/a')).toEqual({ allowed: true, sudo: true });
    expect(check('update', 'kv/a')).toEqual({ allowed: false, sudo: true, reason: 'no_capability' });
    expect(check('read', 'kv/none')).toEqual({ allowed: false, sudo: false, reason: 'no_capability' });
    expect(check('list', 'kv/no')).toEqual({ allowed: false, sudo: false, reason: 'denied' });
    expect(compile().check({ operation: 'read', path: 'a' }).reason).toBe('no_rule');
    expect(check('help', 'anything')).toEqual({ allowed: true, sudo: false });
  });

  it.each(['..', '../a', 'kv/../a', 'kv/..', 'kv/./a', '.', './a', '/../kv'])(
    'refuses the path %s',
    (path) => {
      expect(check('list', path).reason).toBe('path');
    },
  );

  it.each(['.a', 'kv/.docker', 'kv/a..b', 'kv/...', 'kv/a./b'])(
    'takes the dots of %s for letters',
    (path) => {
      expect(check('list', path).allowed).toBe(true);
    },
  );

  it('drops slashes in front', () => {
    expect(check('read', '//kv/a').allowed).toBe(true);
    expect(acl.capabilities('/kv/a')).toEqual(['read', 'sudo']);
  });
});

describe('root', () => {
  const acl = compileAcl([rootPolicy]);

  it('may do everything, in every environment', () => {
    expect(acl.root).toBe(true);
    expect(acl.check({ operation: 'delete', path: 'sys/x', environment: 'a/b' })).toEqual({
      allowed: true,
      sudo: true,
    });
    expect(acl.capabilities('any')).toEqual(['root']);
    expect(acl.reaches('any/')).toBe(true);
  });

  it('comes alone, and is no text', () => {
    expect(() => compileAcl([rootPolicy, parsePolicy('p', '')])).toThrow('alone');
    expect(() => compileAcl([{ ...rootPolicy }])).toThrow('alone');
    expect(() => parsePolicy('ROOT', '')).toThrow('root');
    expect(compileAcl([]).root).toBe(false);
  });
});

describe('a policy that names environments', () => {
  const acl = compile(
    `environments = ["shop/dev"]\n${rule('kv/*', 'read')}${rule('kv/secret', 'deny')}${rule('kv/x', 'update')}`,
    rule('kv/x', 'list') + rule('kv/secret', 'read'),
  );

  it('grants there only', () => {
    expect(acl.capabilities('kv/a', 'shop/dev')).toEqual(['read']);
    expect(acl.capabilities('kv/x', 'shop/dev')).toEqual(['list', 'update']);
    for (const elsewhere of ['shop/prod', 'shop/DEV', 'constructor', undefined]) {
      expect(acl.capabilities('kv/a', elsewhere)).toEqual(['deny']);
      expect(acl.capabilities('kv/x', elsewhere)).toEqual(['list']);
      expect(acl.check({ operation: 'read', path: 'kv/a', environment: elsewhere }).allowed).toBe(false);
    }
  });

  it('denies everywhere, so that naming environments lifts no deny', () => {
    for (const environment of ['shop/dev', 'shop/prod', undefined]) {
      expect(acl.capabilities('kv/secret', environment)).toEqual(['deny']);
    }
  });
});

describe('the reach of a token', () => {
  it.each([
    ['kv/data/a', 'kv/', true],
    ['kv/data/*', 'kv/', true],
    ['kv*', 'kv/', true],
    ['k*', 'kv/', true],
    ['*', 'kv/', true],
    ['+/data/a', 'kv/', true],
    ['+', 'kv/', true],
    ['kv', 'kv/', true],
    ['kv/+/+/*', 'kv/a/b/c/', true],
    ['kv/+/x/*', 'kv/a/y/', false],
    ['kv2/a', 'kv/', false],
    ['kv2*', 'kv/', false],
    ['k', 'kv/', false],
    ['kv/a', 'kv/a/b/', false],
  ])('with %s covers the mount %s: %s', (path, mount, reaches) => {
    expect(compile(rule(path, 'read')).reaches(mount)).toBe(reaches);
    expect(compile(rule(path, 'read')).reaches(mount.slice(0, -1))).toBe(reaches);
    expect(compile(rule(path, 'deny')).reaches(mount)).toBe(false);
    expect(compile(rule(path)).reaches(mount)).toBe(false);
  });

  it('ends with the environments of its policies', () => {
    const acl = compile(`environments = ["shop/dev"]\n${rule('kv/*', 'read')}`);
    expect([acl.reaches('kv/', 'shop/dev'), acl.reaches('kv/', 'shop/prod')]).toEqual([true, false]);
  });

  it('can be told as a list of its rules', () => {
    const acl = compile(rule('kv/*', 'read'), rule('kv/*', 'list') + rule('a', 'update'));
    expect(acl.rules().map(({ pattern }) => [pattern.text, pattern.glob])).toEqual([
      ['a', false],
      ['kv/', true],
    ]);
  });
});

describe('the default policy', () => {
  const entity = { id: 'e-1', name: 'ann', metadata: {}, aliases: [] };
  const acl = compileAcl([parsePolicy('default', defaultPolicyText)], { entity, groups: [] });

  it.each([
    ['auth/token/lookup-self', ['read']],
    ['auth/token/renew-self', ['update']],
    ['auth/token/revoke-self', ['update']],
    ['sys/capabilities-self', ['update']],
    ['sys/internal/ui/resultant-acl', ['read']],
    ['identity/entity/id/e-1', ['read']],
    ['identity/entity/name/ann', ['read']],
    ['sys/renew', ['update']],
    ['sys/leases/renew', ['update']],
    ['sys/leases/lookup', ['update']],
    ['cubbyhole/a/b', ['create', 'delete', 'list', 'read', 'update']],
    ['sys/wrapping/wrap', ['update']],
    ['sys/wrapping/lookup', ['update']],
    ['sys/wrapping/unwrap', ['update']],
    ['sys/tools/hash', ['update']],
    ['sys/tools/hash/sha2-512', ['update']],
    ['identity/oidc/provider/main/authorize', ['read', 'update']],
    ['identity/entity/id/e-2', ['deny']],
    ['auth/token/lookup', ['deny']],
    ['auth/token/create', ['deny']],
    ['sys/leases/lookup/', ['update']],
    ['sys/leases/lookup/aws', ['deny']],
    ['sys/wrapping/rewrap', ['deny']],
    ['secret/data/a', ['deny']],
  ])('grants on %s: %j', (path, capabilities) => {
    expect(acl.capabilities(path)).toEqual(capabilities);
  });
});
