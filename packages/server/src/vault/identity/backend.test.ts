import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openVault, type TestVault } from '../../../test-support/vault.ts';

let vault: TestVault;
let accessor: string;
let other: string;
beforeAll(async () => {
  vault = await openVault();
  for (const path of ['one', 'two']) {
    await vault.request('POST', `sys/auth/${path}`, { body: { type: 'approle' } });
  }
  const { data } = (await vault.request('GET', 'sys/auth')).body;
  accessor = data['one/'].accessor;
  other = data['two/'].accessor;
});
afterAll(() => vault.close());

const post = (path: string, body: object = {}) => vault.request('POST', `identity/${path}`, { body });
const get = (path: string) => vault.request('GET', `identity/${path}`);
const list = (path: string) => vault.request('LIST', `identity/${path}`);
const remove = (path: string) => vault.request('DELETE', `identity/${path}`);

beforeEach(async () => {
  for (const kind of ['entity', 'group']) {
    const { body } = await list(`${kind}/id`);
    for (const id of body?.data?.keys ?? []) await remove(`${kind}/id/${id}`);
  }
});

async function entity(body: object = {}): Promise<string> {
  return (await post('entity', body)).body.data.id;
}
async function group(body: object = {}): Promise<string> {
  return (await post('group', body)).body.data.id;
}

describe('entities', () => {
  it('are made, changed, read, listed and deleted by id and by name', async () => {
    const made = await post('entity', { name: 'ada', metadata: { team: 'a' }, policies: 'Reader,reader' });
    const { id } = made.body.data;
    expect(made).toMatchObject({ status: 200, body: { data: { name: 'ada', aliases: null } } });

    expect((await post('entity', { name: 'ada', metadata: { team: 'b' } })).status).toBe(204);
    expect((await post(`entity/id/${id}`, { disabled: true })).status).toBe(204);

    expect((await get('entity/name/ada')).body.data).toMatchObject({
      id,
      name: 'ada',
      metadata: { team: 'b' },
      policies: ['reader'],
      disabled: true,
      aliases: [],
      group_ids: [],
      namespace_id: 'root',
    });
    expect((await list('entity/id')).body.data.keys).toEqual([id]);
    expect((await list('entity/name')).body.data).toMatchObject({
      keys: ['ada'],
      key_info: { [id]: { name: 'ada' } },
    });
    expect((await remove('entity/name/ada')).status).toBe(204);
    expect((await remove('entity/name/ada')).status).toBe(204);
    expect((await get(`entity/id/${id}`)).status).toBe(404);
    expect((await list('entity/id')).status).toBe(404);
  });

  it('get a name where none is given, and one name belongs to one of them', async () => {
    const [one, two] = [await entity({ name: 'ada' }), await entity()];

    expect((await get(`entity/id/${two}`)).body.data.name).toMatch(/^entity_/);
    expect(await post(`entity/id/${two}`, { name: 'ada' })).toMatchObject({
      status: 400,
      body: { errors: ['entity name is already in use'] },
    });
    expect((await post(`entity/id/${one}`, { name: 'grace' })).status).toBe(204);
    expect((await post(`entity/id/${two}`, { name: 'ada' })).status).toBe(204);
    expect((await get('entity/name/grace')).body.data.id).toBe(one);
  });

  it.each([
    ['the policy root', { policies: ['root'] }],
    ['a name with hidden characters', { name: 'a\u202eb' }],
    ['half of a character', { name: '\ud800' }],
    ['a long name', { name: 'a'.repeat(600) }],
    ['metadata that is no map', { metadata: [1] }],
    ['a long value', { metadata: { a: 'x'.repeat(600) } }],
    [
      'too many pairs',
      { metadata: Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`k${index}`, 'v'])) },
    ],
    ['an id that is none', { id: 'nobody' }],
  ])('are not made with %s', async (_name, body) => {
    expect((await post('entity', body)).status).toBe(400);
  });

  it('are deleted together', async () => {
    const ids = [await entity(), await entity(), await entity()];

    expect((await post('entity/batch-delete', { entity_ids: ids.slice(1) })).status).toBe(204);

    expect((await list('entity/id')).body.data.keys).toEqual(ids.slice(0, 1));
  });
});

describe('aliases of entities', () => {
  it('are made with a new entity or for one, and found by both names', async () => {
    const alone = (await post('entity-alias', { name: 'ada', mount_accessor: accessor })).body.data;
    const canonical_id = await entity({ name: 'grace' });
    const joined = (
      await post('entity-alias', {
        name: 'grace',
        mount_accessor: accessor,
        canonical_id,
        custom_metadata: { a: 'b' },
      })
    ).body.data;

    expect(alone.canonical_id).not.toBe(canonical_id);
    expect(joined.canonical_id).toBe(canonical_id);
    expect((await get(`entity-alias/id/${joined.id}`)).body.data).toMatchObject({
      name: 'grace',
      mount_accessor: accessor,
      mount_path: 'auth/one/',
      mount_type: 'approle',
      canonical_id,
      custom_metadata: { a: 'b' },
    });
    expect((await list('entity-alias/id')).body.data.keys).toEqual([alone.id, joined.id].sort());
    expect(
      (await post('lookup/entity', { alias_name: 'grace', alias_mount_accessor: accessor })).body.data.id,
    ).toBe(canonical_id);
    expect((await post('lookup/entity', { alias_id: alone.id })).body.data.id).toBe(alone.canonical_id);
  });

  it('are one for each method', async () => {
    const canonical_id = await entity();
    await post('entity-alias', { name: 'ada', mount_accessor: accessor, canonical_id });

    expect(
      (await post('entity-alias', { name: 'grace', mount_accessor: accessor, canonical_id })).status,
    ).toBe(400);
    expect((await post('entity-alias', { name: 'grace', mount_accessor: other, canonical_id })).status).toBe(
      200,
    );
  });

  it('move from one entity to another, and the ways to them move along', async () => {
    const [from, to] = [await entity(), await entity()];
    const { id } = (await post('entity-alias', { name: 'ada', mount_accessor: accessor, canonical_id: from }))
      .body.data;

    expect((await post(`entity-alias/id/${id}`, { canonical_id: to, name: 'augusta' })).body.data).toEqual({
      id,
      canonical_id: to,
    });

    expect((await get(`entity/id/${from}`)).body.data.aliases).toEqual([]);
    expect((await get(`entity/id/${to}`)).body.data.aliases).toHaveLength(1);
    expect((await post('lookup/entity', { alias_name: 'ada', alias_mount_accessor: accessor })).status).toBe(
      204,
    );
    expect(
      (await post('lookup/entity', { alias_name: 'augusta', alias_mount_accessor: accessor })).body.data.id,
    ).toBe(to);
    expect((await remove(`entity-alias/id/${id}`)).status).toBe(204);
    expect((await get(`entity-alias/id/${id}`)).status).toBe(404);
  });

  it('that say nothing new are no change', async () => {
    const { id } = (await post('entity-alias', { name: 'ada', mount_accessor: accessor })).body.data;

    expect((await post('entity-alias', { name: 'ada', mount_accessor: accessor })).status).toBe(204);
    expect((await post('entity-alias', { id })).status).toBe(204);
  });

  it.each([
    ['no method', { name: 'ada' }, "'id' or 'mount_accessor' and 'name' must be provided"],
    [
      'a method that is none',
      { name: 'ada', mount_accessor: 'not a valid accessor' },
      'invalid mount accessor "not a valid accessor"',
    ],
    ['an id that is none', { id: 'nobody', name: 'ada' }, 'invalid alias ID provided'],
  ])('are not made with %s', async (_name, body, error) => {
    expect(await post('entity-alias', body)).toMatchObject({ status: 400, body: { errors: [error] } });
  });
});

describe('groups', () => {
  it('are made, changed, read, listed and deleted', async () => {
    const member = await entity();
    const below = await group({ name: 'below' });
    const id = await group({
      name: 'team',
      member_entity_ids: [member],
      member_group_ids: below,
      policies: ['p'],
    });

    expect((await get(`group/id/${id}`)).body.data).toMatchObject({
      name: 'team',
      type: 'internal',
      member_entity_ids: [member],
      member_group_ids: [below],
      parent_group_ids: null,
      alias: {},
    });
    expect((await get('group/name/below')).body.data).toMatchObject({
      parent_group_ids: [id],
      member_entity_ids: null,
    });
    expect((await get(`entity/id/${member}`)).body.data).toMatchObject({
      direct_group_ids: [id],
      inherited_group_ids: [],
    });
    expect((await post('group/name/team', { member_entity_ids: [] })).status).toBe(204);
    expect((await get(`entity/id/${member}`)).body.data.group_ids).toEqual([]);
    expect((await list('group/name')).body.data.keys).toEqual(['below', 'team']);
    expect((await remove('group/name/below')).status).toBe(204);
    expect((await get(`group/id/${id}`)).body.data.member_group_ids).toBeNull();
  });

  it.each([
    ['an entity that is none', { member_entity_ids: ['nobody'] }],
    ['a group that is none', { member_group_ids: ['nobody'] }],
    ['a type that is none', { type: 'cosmic' }],
    ['members of an external one', { type: 'external', member_entity_ids: [] }],
    ['the policy root', { policies: 'root' }],
  ])('are not made with %s', async (_name, body) => {
    expect((await post('group', body)).status).toBe(400);
  });

  it('are not changed in kind, and have one name each', async () => {
    const id = await group({ name: 'team' });
    const second = await group();

    expect(await post(`group/id/${id}`, { type: 'external' })).toMatchObject({
      status: 400,
      body: { errors: ['group type cannot be changed'] },
    });
    expect((await post(`group/id/${second}`, { name: 'team' })).status).toBe(400);
  });

  it('are no members of themselves, in any number of steps', async () => {
    const [a, b, c] = [await group({ name: 'a' }), await group({ name: 'b' }), await group({ name: 'c' })];
    await post(`group/id/${a}`, { member_group_ids: [b] });
    await post(`group/id/${b}`, { member_group_ids: [c] });

    for (const id of [a, b, c]) {
      const { status, body } = await post(`group/id/${c}`, { member_group_ids: [id] });
      expect(status).toBe(400);
      expect(body.errors[0]).toContain('cyclic relationship');
    }
    expect((await post(`group/id/${a}`, { member_group_ids: [b, c] })).status).toBe(204);
  });

  it('stand in chains that are followed to their end', async () => {
    const ids = [await group()];
    for (let step = 1; step < 10; step += 1) ids.push(await group({ member_group_ids: [ids.at(-1)] }));
    const member = await entity();
    await post(`group/id/${ids[0]}`, { member_entity_ids: [member] });

    expect((await get(`entity/id/${member}`)).body.data.group_ids).toHaveLength(10);
    expect((await post('group', { member_group_ids: [ids.at(-1)] })).status).toBe(400);
    const lower = await group();
    expect((await post(`group/id/${ids[0]}`, { member_group_ids: [lower] })).status).toBe(400);
  });
});

describe('external groups', () => {
  it('have an alias at a method, made with a new group or for one', async () => {
    const fresh = (await post('group-alias', { name: 'devs', mount_accessor: accessor })).body.data;
    expect((await get(`group/id/${fresh.canonical_id}`)).body.data).toMatchObject({
      type: 'external',
      alias: { name: 'devs' },
    });
    const external = await group({ type: 'external', name: 'ops' });
    const { id } = (
      await post('group-alias', { name: 'ops', mount_accessor: accessor, canonical_id: external })
    ).body.data;

    expect((await get(`group-alias/id/${id}`)).body.data).toMatchObject({
      name: 'ops',
      canonical_id: external,
      mount_path: 'auth/one/',
    });
    expect((await list('group-alias/id')).body.data.keys).toEqual([fresh.id, id].sort());
    expect(
      (await post('lookup/group', { alias_name: 'ops', alias_mount_accessor: accessor })).body.data.id,
    ).toBe(external);
    expect((await post('group-alias', { id, name: 'ops', mount_accessor: accessor })).status).toBe(204);
    expect((await remove(`group-alias/id/${id}`)).status).toBe(204);
    expect((await get(`group/id/${external}`)).body.data.alias).toEqual({});
  });

  it('share no alias, and internal ones have none', async () => {
    const internal = await group();
    await post('group-alias', { name: 'devs', mount_accessor: accessor });

    expect((await post('group-alias', { name: 'devs', mount_accessor: accessor })).status).toBe(400);
    expect(
      (await post('group-alias', { name: 'x', mount_accessor: accessor, canonical_id: internal })).status,
    ).toBe(400);
    expect((await post('group-alias', { name: 'x' })).status).toBe(400);
    expect((await post('group-alias', { mount_accessor: accessor })).status).toBe(400);
  });
});

describe('a lookup', () => {
  it.each(['entity', 'group'])('of a %s goes by one thing, and finds it or nothing', async (kind) => {
    const id = kind === 'entity' ? await entity({ name: 'it' }) : await group({ name: 'it' });

    expect((await post(`lookup/${kind}`, { id })).body.data.id).toBe(id);
    expect((await post(`lookup/${kind}`, { name: 'it' })).body.data.id).toBe(id);
    expect((await post(`lookup/${kind}`, { id: 'nobody' })).status).toBe(204);
    expect((await post(`lookup/${kind}`)).status).toBe(400);
    expect((await post(`lookup/${kind}`, { id, name: 'it' })).status).toBe(400);
    expect((await post(`lookup/${kind}`, { alias_name: 'it' })).status).toBe(400);
  });
});

describe('a merge', () => {
  it('hands aliases over, and the tokens of the one that ends', async () => {
    await vault.request('POST', 'auth/one/role/r', { body: { token_policies: 'default' } });
    const role_id = (await vault.request('GET', 'auth/one/role/r/role-id')).body.data.role_id;
    const { secret_id } = (await vault.request('POST', 'auth/one/role/r/secret-id')).body.data;
    const { client_token: token, entity_id: from } = (
      await vault.request('POST', 'auth/one/login', { token: null, body: { role_id, secret_id } })
    ).body.auth;
    const to = await entity({ name: 'stays' });
    const team = await group({ name: 'team', member_entity_ids: [from] });

    expect((await post('entity/merge', { from_entity_ids: [from], to_entity_id: to })).status).toBe(204);

    expect((await get(`entity/id/${to}`)).body.data).toMatchObject({
      merged_entity_ids: [from],
      aliases: [{ canonical_id: to }],
    });
    expect((await get(`entity/id/${from}`)).status).toBe(404);
    expect((await get(`group/id/${team}`)).body.data.member_entity_ids).toBeNull();
    expect((await vault.request('GET', 'auth/token/lookup-self', { token })).status).toBe(200);
    await remove(`entity/id/${to}`);
    expect((await vault.request('GET', 'auth/token/lookup-self', { token })).status).toBe(403);
  });

  it('asks which of two aliases of one method stays', async () => {
    const [from, to] = [await entity(), await entity()];
    const first = (await post('entity-alias', { name: 'a', mount_accessor: accessor, canonical_id: from }))
      .body.data.id;
    const second = (await post('entity-alias', { name: 'b', mount_accessor: accessor, canonical_id: to }))
      .body.data.id;

    expect((await post('entity/merge', { from_entity_ids: [from], to_entity_id: to })).status).toBe(400);
    expect(
      (
        await post('entity/merge', {
          from_entity_ids: [from],
          to_entity_id: to,
          conflicting_alias_ids_to_keep: [first],
        })
      ).status,
    ).toBe(204);

    expect((await list('entity-alias/id')).body.data.keys).toEqual([first]);
    expect((await get(`entity-alias/id/${second}`)).status).toBe(404);
  });

  it.each([
    [{ to_entity_id: '' }],
    [{ from_entity_ids: [] }],
    [{ from_entity_ids: ['nobody'] }],
    [{ to_entity_id: 'nobody' }],
    [{ from_entity_ids: 'SELF' }],
  ])(
    'is refused with %j',
    async (changes: { from_entity_ids?: string | string[]; to_entity_id?: string }) => {
      const [from, to] = [await entity(), await entity()];
      const from_entity_ids = changes.from_entity_ids === 'SELF' ? [to] : (changes.from_entity_ids ?? [from]);

      expect((await post('entity/merge', { to_entity_id: to, ...changes, from_entity_ids })).status).toBe(
        400,
      );
    },
  );
});

describe('an entity that is disabled or gone', () => {
  it('takes the tokens of its logins along', async () => {
    await vault.request('POST', 'auth/two/role/r', { body: { token_policies: 'default' } });
    const role_id = (await vault.request('GET', 'auth/two/role/r/role-id')).body.data.role_id;
    const { secret_id } = (await vault.request('POST', 'auth/two/role/r/secret-id')).body.data;
    const login = await vault.request('POST', 'auth/two/login', {
      token: null,
      body: { role_id, secret_id },
    });
    const { client_token: token, entity_id: id } = login.body.auth;
    const works = async () =>
      (await vault.request('GET', 'auth/token/lookup-self', { token })).status === 200;
    expect(await works()).toBe(true);

    await post(`entity/id/${id}`, { disabled: true });
    expect(await works()).toBe(false);
    await post(`entity/id/${id}`, { disabled: false });
    expect(await works()).toBe(true);
    await remove(`entity/id/${id}`);
    expect(await works()).toBe(false);
  });

  it('brings policies of groups only while it is in them', async () => {
    await vault.request('PUT', 'sys/policies/acl/reader', {
      body: { policy: 'path "secret/*" { capabilities = ["read"] }' },
    });
    await vault.request('POST', 'secret/data/a', { body: { data: { x: 1 } } });
    await vault.request('POST', 'auth/two/role/g', { body: { token_policies: 'default' } });
    const role_id = (await vault.request('GET', 'auth/two/role/g/role-id')).body.data.role_id;
    const { secret_id } = (await vault.request('POST', 'auth/two/role/g/secret-id')).body.data;
    const login = await vault.request('POST', 'auth/two/login', {
      token: null,
      body: { role_id, secret_id },
    });
    const { client_token: token, entity_id } = login.body.auth;
    const reads = async () => (await vault.request('GET', 'secret/data/a', { token })).status === 200;
    const inner = await group({ member_entity_ids: [entity_id] });
    const outer = await group({ policies: ['reader'] });

    expect(await reads()).toBe(false);
    await post(`group/id/${outer}`, { member_group_ids: [inner] });
    expect(await reads()).toBe(true);
    await post(`group/id/${inner}`, { member_entity_ids: [] });
    expect(await reads()).toBe(false);
  });
});
