import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openShop, type Shop } from './shop.fixture.ts';

let shop: Shop;
let unique = 0;
const by = { kind: 'person', id: 'psn_1', name: 'ada' } as const;
beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());

function newValue(): string {
  unique += 1;
  return `s3cret-Value-${unique}-xQ`;
}
const put = (mount: string, path: string, data: object) =>
  shop.request('POST', `${mount}/data/${path}`, { body: { data } });
const say = (mount: string, path: string, custom_metadata: Record<string, string>) =>
  shop.request('POST', `${mount}/metadata/${path}`, { body: { custom_metadata } });
const promote = (from = 'dev', to = 'stage') =>
  shop.vault.environments.promote(by, { project: 'shop', from, to });
const parity = async (against?: string) =>
  await shop.vault.environments.parity(by, {
    project: 'shop',
    names: ['dev', 'stage', 'prod'],
    ...(against === undefined ? {} : { against }),
  });
const clear = async (): Promise<void> => {
  for (const mount of ['dev', 'stage', 'prod']) {
    const below = async (directory: string): Promise<void> => {
      const { body } = await shop.request('LIST', `${mount}/metadata${directory}`);
      for (const name of body?.data?.keys ?? []) {
        const path = `${directory}/${encodeURIComponent(name.replace(/\/$/, ''))}`;
        if (name.endsWith('/')) await below(path);
        else await shop.request('DELETE', `${mount}/metadata${path}`);
      }
    };
    await below('');
  }
};

describe('promoting the shape of an environment', () => {
  it('makes secrets without values, with the names they must have and what their owner says', async () => {
    const [user, password] = ['orders', newValue()];
    await put('dev', 'orders/db', { user, password });
    await say('dev', 'orders/db', {
      owner: 'team-orders',
      purpose: 'the database of orders',
      rotate_every: '90d',
      other: 'stays where it is',
    });
    await put('stage', 'extra', { key: newValue() });

    const report = await promote();
    const made = (await shop.request('GET', 'stage/metadata/orders/db')).body.data;

    expect(report).toMatchObject({ created: 1, completed: 0, unchanged: 0, leftOut: [], unpaired: [] });
    expect(made).toMatchObject({
      current_version: 0,
      custom_metadata: { owner: 'team-orders', purpose: 'the database of orders', rotate_every: '90d' },
      expected_keys: ['password', 'user'],
    });
    expect(made.custom_metadata.other).toBeUndefined();
    expect((await shop.request('GET', 'stage/data/orders/db')).status).toBe(404);
    expect((await shop.request('GET', 'stage/data/extra')).status).toBe(200);
    expect(await promote()).toMatchObject({ created: 0, completed: 0, unchanged: 1 });
  });

  it('keeps what the second environment says and has', async () => {
    await put('stage', 'orders/db', { user: 'other', password: newValue() });
    await say('stage', 'orders/db', { owner: 'team-stage' });

    await put('dev', 'orders/db', { user: 'orders', password: newValue(), port: 5432 });
    const report = await promote();
    const { data } = (await shop.request('GET', 'stage/metadata/orders/db')).body;

    expect(report.completed).toBe(1);
    expect(data.custom_metadata).toMatchObject({ owner: 'team-stage', rotate_every: '90d' });
    expect(data.current_version).toBe(1);
    expect(data.expected_keys).toEqual(['password', 'port', 'user']);
    expect((await shop.request('GET', 'stage/data/orders/db')).body.data.data.user).toBe('other');
  });

  it('carries no value over, wherever somebody put one: not in names, not in paths, not in words about it', async () => {
    await clear();
    const [one, other, third] = [newValue(), newValue(), newValue()];
    const plain = 'hunter2!';
    await put('dev', 'a', { password: one, [one]: 'x', nested: { pin: 90_817_263, short: plain } });
    await say('dev', 'a', {
      owner: other,
      purpose: `the password is ${one}, or was it ${plain}`,
      rotate_every: '90817263',
      consumers: `billing, (${third})`,
    });
    await put('dev', 'b', { password: other });
    await put('dev', `c/${other}/d`, { password: newValue() });
    await put('dev', 'e', { password: third, gone: newValue() });
    await put('dev', 'e', { password: newValue(), [third]: 'old value of it as a name' });

    const report = await promote('dev', 'prod');
    const told = JSON.stringify(report);
    const everything: string[] = [];
    const collect = async (directory: string): Promise<void> => {
      const listed = await shop.request('LIST', `prod/metadata${directory}`);
      everything.push(listed.text);
      for (const name of listed.body?.data?.keys ?? []) {
        if (name.endsWith('/')) await collect(`${directory}/${name.slice(0, -1)}`);
        else everything.push((await shop.request('GET', `prod/metadata${directory}/${name}`)).text);
      }
    };
    await collect('');

    for (const value of [one, other, third, plain, '90817263']) {
      expect(everything.join('\n')).not.toContain(value);
      expect(told).not.toContain(value);
    }
    expect(report.created).toBe(3);
    expect(report.leftOut.map(({ path, what }) => [path, what])).toEqual([
      ['a', ['1 names of keys', 'owner', 'purpose', 'rotate_every', 'consumers']],
      [undefined, ['a secret whose path holds a value']],
      ['e', ['1 names of keys']],
    ]);
  });

  it('carries no value over, whatever was written', async () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 24 });
    const name = fc.stringMatching(/^[a-z][a-z0-9_-]{0,11}$/);
    const value = fc.stringMatching(/^[A-Za-z0-9+/=!]{10,30}$/).map((each) => `${each}-9xQ`);
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            path: name,
            data: fc.dictionary(fc.oneof(name, text), value, { minKeys: 1, maxKeys: 4 }),
            where: fc.integer({ min: 0, max: 3 }),
          }),
          { minLength: 1, maxLength: 4 },
        ),
        async (secrets) => {
          await clear();
          for (const { path, data, where } of secrets) {
            const values = Object.values(data);
            const leak = values[0] ?? '';
            await put('dev', path, { ...data, ...(where === 1 ? { [leak]: 'x' } : {}) });
            await say('dev', path, {
              owner: where === 2 ? leak : 'somebody',
              purpose: where === 3 ? `is ${leak}` : 'some',
            });
          }
          await promote('dev', 'prod');
          const listed = await shop.request('LIST', 'prod/metadata');
          const texts = [listed.text];
          for (const path of listed.body?.data?.keys ?? [])
            texts.push((await shop.request('GET', `prod/metadata/${path}`)).text);
          for (const { data } of secrets)
            for (const each of Object.values(data)) expect(texts.join('\n')).not.toContain(each);
        },
      ),
      { numRuns: 15 },
    );
  });
});

describe('parity', () => {
  it('says what an environment lacks and has more than the one before it, by names alone', async () => {
    await clear();
    const values = Array.from({ length: 8 }, newValue);
    await put('dev', 'db', { user: 'u', password: values[0] });
    await put('dev', 'api', { key: values[1] });
    await put('dev', 'new', { key: values[2] });
    await put('stage', 'db', { user: 'u' });
    await put('stage', 'only', { key: values[3] });
    await put('stage', 'api', { key: values[4], extra: values[5] });
    await promote('dev', 'prod');

    const report = await parity();

    expect(report).toEqual([
      {
        environment: 'stage',
        against: 'dev',
        lacks: [
          { mount: 'stage/', path: 'db', what: 'keys', keys: ['password'] },
          { mount: 'stage/', path: 'new', what: 'secret', keys: ['key'] },
        ],
        more: [
          { mount: 'stage/', path: 'api', what: 'keys', keys: ['extra'] },
          { mount: 'stage/', path: 'only', what: 'secret', keys: ['key'] },
        ],
        left: 0,
        unpaired: [],
      },
      {
        environment: 'prod',
        against: 'stage',
        lacks: [
          { mount: 'prod/', path: 'api', what: 'value', keys: ['extra', 'key'] },
          { mount: 'prod/', path: 'db', what: 'value', keys: ['user'] },
          { mount: 'prod/', path: 'only', what: 'secret', keys: ['key'] },
        ],
        more: [],
        left: 0,
        unpaired: [],
      },
    ]);
    for (const value of values) expect(JSON.stringify(report)).not.toContain(value);
    expect((await parity('dev')).map(({ environment, against }) => [environment, against])).toEqual([
      ['stage', 'dev'],
      ['prod', 'dev'],
    ]);
  });

  it('names mounts that have no counterpart, and guesses none', async () => {
    for (const path of ['extra-dev', 'more-dev'])
      await shop.request('POST', `sys/mounts/${path}`, {
        body: { type: 'kv', options: { version: '2' }, environment: 'shop/dev' },
      });
    await shop.request('POST', 'sys/mounts/extra-stage', {
      body: { type: 'kv', options: { version: '2' }, environment: 'shop/stage' },
    });
    await put('extra-dev', 'x', { key: newValue() });

    const [stage] = await parity();

    expect(stage?.unpaired).toEqual(['more-dev/']);
    expect(stage?.lacks).toContainEqual({ mount: 'extra-stage/', path: 'x', what: 'secret', keys: ['key'] });
  });
});
