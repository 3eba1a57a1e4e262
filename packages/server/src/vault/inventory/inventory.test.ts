import { SecretBytes } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openShop, type Shop } from '../environments/shop.fixture.ts';
import type { FindingKind } from './findings.ts';
import type { RowFilter } from './row.ts';

let shop: Shop;
const by = { kind: 'person', id: 'psn_1', name: 'ada' } as const;
const environments = ['shop/dev', 'shop/stage', 'shop/prod'];
const day = 24 * 3600_000;
beforeAll(async () => {
  shop = await openShop();
  await shop.vault.sightings.begin();
});
afterAll(() => shop.close());

let unique = 0;
function newValue(): string {
  unique += 1;
  return `s3cret-Value-${unique}-xQ`;
}
const put = (path: string, data: object = { password: newValue() }, mount = 'dev') =>
  shop.request('POST', `${mount}/data/${path}`, { body: { data } });
const say = (path: string, custom_metadata: Record<string, string>, mount = 'dev') =>
  shop.request('POST', `${mount}/metadata/${path}`, { body: { custom_metadata } });
const list = async (filter: RowFilter = {}, more: object = {}) =>
  await shop.vault.inventory.list(by, { environments, filter, limit: 1000, ...more });
const paths = async (filter: RowFilter): Promise<readonly string[]> =>
  (await list(filter)).rows.map(({ mount, path }) => mount + path);
const findings = async (asked = environments) =>
  await shop.vault.inventory.findings(by, { environments: asked, tokens: true, limit: 1000 });
const found = async (kind: FindingKind): Promise<readonly string[]> =>
  (await findings()).findings.filter((each) => each.kind === kind).map(({ subject }) => subject);

describe('the inventory', () => {
  it('knows what owners declare, and who reads which version, through restarts of what is in memory', async () => {
    await put('orders/db');
    await say('orders/db', {
      owner: 'team-orders',
      purpose: 'the database',
      rotate_every: '90d',
      expires_at: '2027-01-31',
      consumers: 'orders, billing',
    });
    const token = await shop.tokenFor('path "dev/*" { capabilities = ["read"] }', ['shop/dev']);
    await shop.request('GET', 'dev/data/orders/db', { token });
    await shop.request('GET', 'dev/data/orders/db', { token, headers: { 'x-vault-wrap-ttl': '60' } });
    await shop.request('GET', 'dev/data/orders/db?version=9', { token });
    await shop.request('GET', 'dev/metadata/orders/db', { token });
    await shop.vault.sightings.store();

    const { rows } = await list();
    const row = rows.find(({ path }) => path === 'orders/db');

    expect(row).toMatchObject({
      environment: 'shop/dev',
      mount: 'dev/',
      version: 1,
      hasValue: true,
      declared: {
        owner: 'team-orders',
        purpose: 'the database',
        rotateSeconds: 90 * 86_400,
        consumers: ['orders', 'billing'],
        unreadable: [],
      },
    });
    expect(row?.readers.map(({ reader, count, version }) => [reader.name, count, version])).toEqual([
      ['token', 2, 1],
    ]);
    await put('orders/db');
    await shop.request('GET', 'dev/data/orders/db', { token });
    await shop.vault.sightings.store();
    const again = (await list()).rows.find(({ path }) => path === 'orders/db');
    expect(again?.readers.map(({ count, version }) => [count, version])).toEqual([[3, 2]]);
  });

  it('finds each kind of secret that needs care, and says what to do', async () => {
    await put('many');
    await say('many', { owner: 'a', consumers: 'a,b,c,d,e' });
    await put('late');
    await say('late', { owner: 'a', rotate_every: '1d', consumers: 'late-service' });
    await put('ending');
    await say('ending', { owner: 'a', expires_at: '2026-01-20T00:00:00Z' });
    await put('strange');
    await say('strange', { owner: 'a', rotate_every: 'often', expires_at: 'soon' });
    await put('nobody');
    const shared = newValue();
    await put('both', { password: shared });
    await put('both', { password: shared }, 'prod');
    await shop.request('GET', 'dev/data/late');
    await shop.vault.sightings.store();
    shop.clock.advance(3 * day);

    expect(await paths({ shared: 3 })).toContain('dev/many');
    expect(await paths({ overdue: true })).toEqual(['dev/late']);
    expect(await paths({ expiringDays: 30 })).toEqual(['dev/ending']);
    expect(await paths({ unowned: true })).toContain('dev/nobody');
    expect(await paths({ unowned: true })).not.toContain('dev/late');
    expect(await paths({ unknownReader: true })).toContain('dev/late');
    expect(await paths({ unusedDays: 2 })).toContain('dev/nobody');
    expect(await paths({ unusedDays: 2 })).toContain('dev/late');
    expect(await paths({ unusedDays: 4 })).toEqual([]);
    expect(await paths({ elsewhere: true })).toEqual(['dev/both', 'prod/both']);
    expect(await found('shared_by_many')).toEqual(['dev/many']);
    expect(await found('rotation_overdue')).toEqual(['dev/late']);
    expect(await found('expiring')).toEqual(['dev/ending']);
    expect(await found('unreadable_metadata')).toEqual(['dev/strange']);
    expect(await found('unknown_reader')).toContain('dev/late');
    expect(await found('same_value_elsewhere')).toEqual(['dev/both', 'prod/both']);
    expect(await found('unowned')).toContain('prod/both');
    for (const each of (await findings()).findings) {
      expect(each.explanation).not.toContain(shared);
      expect(each.todo.length).toBeGreaterThan(10);
    }
  });

  it('finds an account that two environments use, and lets each write it', async () => {
    const at = { host: 'db.shop.example.com', username: 'app' };
    await shop.set('prod', { duplicates: 'refuse' });
    await put('account', { ...at, password: newValue() });
    const other = await put('account', { ...at, password: newValue() }, 'prod');
    await shop.set('prod', { duplicates: 'report' });

    expect(other.status).toBe(200);
    expect(other.body.warnings).toBeNull();
    expect(await found('same_account_elsewhere')).toEqual(['dev/account', 'prod/account']);
    expect(await paths({ elsewhere: true })).not.toContain('dev/account');
    await shop.request('DELETE', 'prod/metadata/account');
    expect(await found('same_account_elsewhere')).toEqual([]);
  });

  it('finds tokens that live long and open much, and leaves short and narrow ones alone', async () => {
    const policy = async (name: string, text: string) =>
      await shop.request('PUT', `sys/policies/acl/${name}`, { body: { policy: text } });
    const make = async (policies: readonly string[], period?: string): Promise<string> =>
      (
        await shop.request('POST', 'auth/token/create', {
          body: { policies, no_default_policy: true, ...(period === undefined ? {} : { period }) },
        })
      ).body.auth.accessor;
    await policy('wide', 'path "+/data/*" { capabilities = ["read"] }');
    await policy('narrow', 'path "dev/data/one" { capabilities = ["read"] }');

    const wide = await make(['wide'], '2000h');
    await make(['wide'], '24h');
    await make(['narrow'], '2000h');
    const broad = await found('broad_token');

    expect(broad).toContain(wide);
    // The other is the root token.
    expect(broad).toHaveLength(2);
  });

  it('tells no name of an environment to whoever may not see it', async () => {
    const shared = newValue();
    await put('hidden', { password: shared });
    await put('hidden', { password: shared }, 'stage');

    const report = await findings(['shop/dev']);
    const one = report.findings.find(
      ({ kind, subject }) => kind === 'same_value_elsewhere' && subject === 'dev/hidden',
    );

    expect(one?.explanation).toContain('an environment you may not see');
    expect(JSON.stringify(report)).not.toContain('shop/stage');
    expect(
      (await list({}, { environments: ['shop/dev'] })).rows.every(({ mount }) => mount.startsWith('dev')),
    ).toBe(true);
  });

  it('gives a list in parts that make up the whole', async () => {
    for (const path of ['p/a', 'p/a-b', 'p/a/b', 'p/a/b/c', 'p/ä', 'p/b', 'p/𐀀', 'p/\ufb00'])
      await put(encodeURI(path));
    await shop.request('PUT', 'dev1/x/y', { body: { password: newValue() } });
    const { rows: whole } = await list();

    const parts: string[] = [];
    for (
      let after: { mount: string; path: string } | undefined, first = true;
      first || after !== undefined;
      first = false
    ) {
      const part = await list({}, { limit: 3, ...(after === undefined ? {} : { after }) });
      parts.push(...part.rows.map(({ mount, path }) => mount + path));
      after = part.next;
    }

    expect(parts).toEqual(whole.map(({ mount, path }) => mount + path));
    expect(new Set(parts).size).toBe(parts.length);
    expect(parts.filter((path) => path.startsWith('dev/p/'))).toHaveLength(8);
  });

  it('takes services that definitions give a secret to for its consumers', async () => {
    const writer = { kind: 'system', id: 'x', name: 'deployment:shop/dev/orders' } as const;
    const at = { environment: 'shop/dev', path: 'declared/db' };
    await shop.vault.secrets.write(by, { ...at, data: { password: SecretBytes.fromUtf8(newValue()) } });
    await shop.vault.secrets.read(writer, at);
    await shop.vault.secrets.read(by, at);
    await shop.vault.sightings.store();
    shop.vault.inventory.learnServices(async (project) =>
      project === 'shop' ? [{ environment: 'dev', path: 'declared/db', service: 'orders' }] : [],
    );

    const row = (await list({ unknownReader: true })).rows.find(({ path }) => path === 'declared/db');

    expect(row?.services).toEqual(['orders']);
    expect(row?.readers.map(({ reader }) => reader.name).sort()).toEqual([
      'ada',
      'deployment:shop/dev/orders',
    ]);
    const finding = (await findings()).findings.find(
      ({ kind, subject }) => kind === 'unknown_reader' && subject === 'shop/dev/declared/db',
    );
    expect(finding?.explanation).toContain('ada');
    expect(finding?.explanation).not.toContain('deployment');
  });

  it('is asked for in the audit', async () => {
    await list({ unowned: true });

    const lines: string[] = [];
    for await (const { line } of shop.journal.audit()) lines.push(line.toString());

    expect(lines.some((line) => line.includes('"inventory/secrets"') && line.includes('"psn_1"'))).toBe(true);
  });
});
