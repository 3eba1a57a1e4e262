import { SecretBytes as Secret, type SecretBytes } from '@sallyport/formats';
import type { Client } from '@sallyport/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fortress, openFortress, type Rule } from './fortress.ts';

/** Invariant 7: dev, stage and prod share no credential, and whoever sees one of them learns nothing of the others. */

let fortress: Fortress;
beforeAll(async () => {
  fortress = await openFortress();
});
afterAll(() => fortress.close());

const data = (values: Readonly<Record<string, string>>): Record<string, SecretBytes> =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Secret.fromUtf8(value)]));
const put = (client: Client, environment: string, path: string, values: Readonly<Record<string, string>>) =>
  client.secrets.put({ project: 'shop', environment, path }, data(values));
const only = (environment: string): readonly Rule[] => [
  {
    path: `secrets/shop/${environment}/*`,
    capabilities: ['create', 'read', 'update', 'list'],
    effect: 'allow',
  },
  { path: `inventory/shop/${environment}`, capabilities: ['list'], effect: 'allow' },
  { path: `environments/shop/${environment}`, capabilities: ['read', 'update'], effect: 'allow' },
];
const said = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    (answer) => JSON.stringify(answer),
    (error: Error) => JSON.stringify({ ...error, message: error.message }),
  );

describe('environments of a project', () => {
  it('keep their values apart where one of them refuses, and say nothing about the other', async () => {
    await put(fortress.ada, 'prod', 'payments/stripe', { api_key: 'live-Key-4242-xQ' });
    await fortress.ada.environments.change('shop', 'prod', { duplicates: 'refuse' });
    const { client } = await fortress.someone('person', only('dev'));

    const refusal = await said(put(client, 'dev', 'mine', { whatever: 'live-Key-4242-xQ' }));

    expect(refusal).toContain('value exists in another environment');
    for (const hint of ['prod', 'payments', 'stripe', 'api_key', 'live-Key'])
      expect(refusal).not.toContain(hint);
    expect(await fortress.ada.secrets.list('shop', 'dev')).toEqual([]);
  });

  it('are listed, changed and walked through only by those whose policies name them', async () => {
    await put(fortress.ada, 'dev', 'db', { password: 'dev-Value-1-xQ' });
    const { client } = await fortress.someone('person', only('dev'));
    const { client: nobody } = await fortress.someone('person', []);

    expect((await client.environments.list()).map(({ name }) => name)).toEqual(['dev']);
    expect((await client.inventory.secrets()).secrets.map(({ path }) => path)).toEqual(['db']);
    expect(await client.environments.parity('shop')).toEqual([]);
    for (const work of [
      () => client.environments.get('shop', 'prod'),
      () => client.environments.change('shop', 'prod', { duplicates: 'report' }),
      () => client.environments.promoteConfig('shop', 'prod', 'dev'),
      () => client.environments.promoteConfig('shop', 'dev', 'prod'),
      () => client.inventory.secrets({ project: 'shop', environment: 'prod' }),
      () => client.inventory.findings({ environment: 'prod' }),
      () => nobody.inventory.secrets(),
      () => nobody.inventory.findings(),
      () => nobody.environments.parity('shop'),
    ])
      await expect(work()).rejects.toMatchObject({ kind: 'denied' });
    expect(JSON.stringify(await client.inventory.findings())).not.toContain('prod');
    expect(await nobody.environments.list()).toEqual([]);
  });

  it('are promoted by shape, and what was promoted is missing until somebody writes it', async () => {
    const promoted = await fortress.ada.environments.promoteConfig('shop', 'dev', 'prod');
    const [prod] = await fortress.ada.environments.parity('shop');

    expect(promoted).toMatchObject({ created: 1, unpaired: [] });
    expect(prod).toMatchObject({
      environment: 'prod',
      against: 'dev',
      lacks: [{ mount: 'shop/prod/', path: 'db', what: 'value', keys: ['password'] }],
      more: [{ path: 'payments/stripe', what: 'secret', keys: ['api_key'] }],
    });
    await expect(
      fortress.ada.secrets.get({ project: 'shop', environment: 'prod', path: 'db' }),
    ).rejects.toMatchObject({ kind: 'not_found' });
  });

  it('show who read what, as soon as it is stored, and findings with what to do', async () => {
    await fortress.ada.secrets.get({ project: 'shop', environment: 'dev', path: 'db' });

    const readers = async () =>
      (await fortress.ada.inventory.secrets({ environment: 'dev' })).secrets[0]?.readers ?? [];
    await expect.poll(readers, { timeout: 20_000, interval: 500 }).not.toEqual([]);
    const report = await fortress.ada.inventory.findings();

    expect((await readers())[0]).toMatchObject({ name: 'Ada', reads: 1, version: 1 });
    expect(report.counts).toMatchObject({ value_refused: 1 });
    expect(report.findings.map(({ kind }) => kind)).toContain('unowned');
    expect(JSON.stringify(report)).not.toContain('live-Key');
  });

  it('refuse what is no place, no number and no name', async () => {
    const { transport } = fortress.ada;
    const bad = (path: string) => transport.json('GET', path);

    await expect(bad('/api/inventory/secrets?after=zzz')).rejects.toMatchObject({ code: 'vault.place' });
    for (const query of [
      'unusedDays=0',
      'unusedDays=1e9',
      'shared=-1',
      'limit=100000',
      'overdue=perhaps',
      'x=1',
    ])
      await expect(bad(`/api/inventory/secrets?${query}`)).rejects.toMatchObject({ kind: 'invalid' });
    for (const name of ['A', '..', 'a%2fb', 'a b', 'x'.repeat(64), '__proto__'])
      await expect(bad(`/api/environments/shop/${name}`)).rejects.toThrow();
    await expect(
      transport.json('PATCH', '/api/environments/shop/dev', { body: { duplicates: 'maybe' } }),
    ).rejects.toMatchObject({ kind: 'invalid' });
  });
});
