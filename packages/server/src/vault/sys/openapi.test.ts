import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openVault, type TestVault } from '../../../test-support/vault.ts';
import { testSys } from './server.fixture.ts';

let vault: TestVault;
beforeAll(async () => {
  vault = await openVault({ sys: testSys(() => vault.keyring) });
});
afterAll(() => vault.close());

const document = async (query = '', token?: null) =>
  (await vault.request('GET', `sys/internal/specs/openapi${query}`, token === undefined ? {} : { token }))
    .body;

describe('the OpenAPI document', () => {
  it('names the paths that are there', async () => {
    const { openapi, paths } = await document();

    expect(openapi).toMatch(/^3\.0\./);
    expect(
      paths['/sys/mounts/{path}'].post.requestBody.content['application/json'].schema.properties,
    ).toHaveProperty('type');
    expect(paths['/secret/data/{path}'].get).toBeDefined();
    expect(paths['/auth/token/lookup-self'].get).toBeDefined();
    expect(paths['/sys/auth/{path}']['x-vault-sudo']).toBe(true);
    expect(paths['/sys/wrapping/lookup']['x-vault-unauthenticated']).toBe(true);
  });

  it('declares each parameter of a path, and gives each operation a name of its own', async () => {
    const { paths } = await document();
    const names: string[] = [];

    for (const [path, item] of Object.entries<Record<string, { operationId?: string }>>(paths)) {
      const used = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
      // biome-ignore lint/suspicious/noExplicitAny: a document of another shape fails the test
      expect(((item as any).parameters ?? []).map((each: { name: string }) => each.name)).toEqual(used);
      for (const method of ['get', 'post', 'patch', 'delete']) {
        const id = item[method]?.operationId;
        if (id !== undefined) names.push(id);
      }
    }

    expect(names.length).toBeGreaterThan(150);
    expect(new Set(names).size).toBe(names.length);
  });

  it('names no path that the router does not know', async () => {
    const { paths } = await document();

    for (const [path, item] of Object.entries<Record<string, unknown>>(paths)) {
      if (item['get'] === undefined && item['post'] === undefined) continue;
      const filled = path.slice(1).replaceAll(/\{[^}]+\}/g, 'x');
      const { body } = await vault.request('GET', `${filled}?help=1`);
      expect(body.help, path).toMatch(/^Request: /);
    }
  });

  it('can name mounts by a parameter', async () => {
    const { paths } = await document('?generic_mount_paths=true');

    expect(paths['/{kv_mount_path}/data/{path}']).toBeDefined();
    expect(paths['/secret/data/{path}']).toBeUndefined();
    expect(paths['/sys/mounts']).toBeDefined();
  });

  it('shows nobody what is mounted', async () => {
    const { paths } = await document('', null);

    expect(Object.keys(paths).every((path) => path.startsWith('/sys/'))).toBe(true);
  });
});

describe('what the server says about itself', () => {
  it('is said in the format that is asked for', async () => {
    const prometheus = await vault.request('GET', 'sys/metrics?format=prometheus');
    expect(prometheus.text).toContain('a_total{kind="x"} 3');
    const json = await vault.request('GET', 'sys/metrics');
    expect(json.body.Gauges).toEqual([
      { Name: 'a_total', Value: 3, Labels: { kind: 'x' } },
      { Name: 'b', Value: 1.5, Labels: {} },
    ]);
  });

  it.each([
    ['sys/ha-status', { nodes: [expect.objectContaining({ active_node: true })] }],
    ['sys/host-info', { host: { hostname: 'test' } }],
    ['sys/replication/status', expect.objectContaining({ mode: 'disabled' })],
    ['sys/internal/counters/tokens', { counters: { service_tokens: { total: 0 } } }],
    ['sys/internal/counters/entities', { counters: { entities: { total: 0 } } }],
    [
      'sys/plugins/catalog',
      expect.objectContaining({
        auth: expect.arrayContaining(['token']),
        secret: expect.arrayContaining(['kv']),
      }),
    ],
    ['sys/plugins/catalog/secret/kv', expect.objectContaining({ name: 'kv', builtin: true })],
  ])('%s', async (path, data) => {
    expect((await vault.request('GET', path)).body.data).toEqual(data);
  });

  it.each([
    ['GET', 'sys/license/status', 404],
    ['LIST', 'sys/namespaces', 404],
    ['GET', 'sys/monitor', 405],
    ['GET', 'sys/loggers', 405],
    ['PUT', 'sys/step-down', 204],
    ['GET', 'sys/internal/counters/activity', 200],
    ['LIST', 'sys/version-history', 200],
    ['GET', 'sys/plugins/catalog/secret/none', 404],
  ])('%s %s is %i', async (method, path, status) => {
    expect((await vault.request(method, path)).status).toBe(status);
  });

  it('seals when it is told to, after the answer is written down', async () => {
    const sys = testSys(() => other.keyring);
    const other = await openVault({ sys });

    expect((await other.request('PUT', 'sys/seal', { token: null })).status).toBe(403);
    expect(sys.sealed()).toBe(0);
    expect((await other.request('PUT', 'sys/seal')).status).toBe(204);
    expect(sys.sealed()).toBe(1);
    await other.close();
  });
});

describe('tools, limits and origins', () => {
  it('give random bytes and hashes', async () => {
    const random = await vault.request('POST', 'sys/tools/random/20', { body: { format: 'hex' } });
    expect(random.body.data.random_bytes).toMatch(/^[0-9a-f]{40}$/);
    const input = Buffer.from('abc').toString('base64');
    const hash = await vault.request('POST', 'sys/tools/hash/sha2-256', { body: { input } });
    // FIPS 180-4, example SHA-256("abc").
    expect(hash.body.data.sum).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  it('are kept', async () => {
    const quota = { path: 'secret/*', rate: 100, interval: '600', block_interval: '600' };
    expect((await vault.request('POST', 'sys/quotas/rate-limit/q', { body: quota })).status).toBe(204);
    expect((await vault.request('GET', 'sys/quotas/rate-limit/q')).body.data).toMatchObject({
      name: 'q',
      path: 'secret/*',
      rate: 100,
      interval: 600,
      block_interval: 600,
      type: 'rate-limit',
    });
    expect((await vault.request('LIST', 'sys/quotas/rate-limit')).body.data.keys).toEqual(['q']);
    expect((await vault.request('DELETE', 'sys/quotas/rate-limit/q')).status).toBe(204);
    expect((await vault.request('GET', 'sys/quotas/rate-limit/q')).status).toBe(404);
  });

  it('hold for who asks too often, and let others and what must always work through', async () => {
    const quota = { path: 'secret', rate: 3, interval: '1h' };
    await vault.request('POST', 'sys/quotas/rate-limit/tight', { body: quota });

    const statuses: number[] = [];
    for (let index = 0; index < 5; index += 1)
      statuses.push((await vault.request('GET', 'secret/data/none')).status);
    const refused = await vault.request('GET', 'secret/data/none');

    expect(statuses).toEqual([404, 404, 404, 429, 429]);
    expect(refused.body.errors).toEqual(['request path "secret/data/none": rate limit quota exceeded']);
    expect((await vault.request('GET', 'kv1/none')).status).toBe(404);
    await vault.request('POST', 'sys/quotas/config', { body: { enable_rate_limit_audit_logging: true } });
    expect((await vault.request('GET', 'secret/data/none')).status).toBe(429);
    await vault.request('DELETE', 'sys/quotas/rate-limit/tight');
    expect((await vault.request('GET', 'secret/data/none')).status).toBe(404);
  });

  it.each([
    ['a path where nothing is', { path: '/not-exist', rate: 1 }],
    ['no rate', { path: 'secret' }],
    ['a rate that is none', { path: 'secret', rate: -1 }],
    ['a rate without end', { path: 'secret', rate: 'Infinity' }],
    ['a role', { path: 'auth/token', rate: 1, role: 'r' }],
  ])('are refused with %s', async (_name, body) => {
    expect((await vault.request('POST', 'sys/quotas/rate-limit/bad', { body })).status).toBe(400);
  });

  it('of other pages are named one by one, or all', async () => {
    expect((await vault.request('GET', 'sys/config/cors')).body.data).toEqual({ enabled: false });
    expect(
      (
        await vault.request('POST', 'sys/config/cors', {
          body: { allowed_origins: 'https://ui.example.org' },
        })
      ).status,
    ).toBe(204);
    expect((await vault.request('GET', 'sys/config/cors')).body).toMatchObject({
      enabled: true,
      allowed_origins: ['https://ui.example.org'],
    });
    for (const allowed_origins of [
      '',
      '*,https://a.example',
      'ui.example.org',
      'https://a.example/path',
      'null',
    ]) {
      expect((await vault.request('POST', 'sys/config/cors', { body: { allowed_origins } })).status).toBe(
        400,
      );
    }
    expect((await vault.request('DELETE', 'sys/config/cors')).status).toBe(204);
  });

  it('of audited headers never show a token', async () => {
    const path = 'sys/config/auditing/request-headers';
    expect((await vault.request('PUT', `${path}/X-Forwarded-For`, { body: { hmac: true } })).status).toBe(
      204,
    );
    expect((await vault.request('GET', path)).body.data.headers).toEqual({
      'x-forwarded-for': { hmac: true },
    });
    for (const header of ['X-Vault-Token', 'authorization', 'Cookie', 'not a header']) {
      expect((await vault.request('PUT', `${path}/${encodeURIComponent(header)}`, { body: {} })).status).toBe(
        400,
      );
    }
    expect((await vault.request('DELETE', `${path}/x-forwarded-for`)).status).toBe(204);
    expect((await vault.request('GET', `${path}/x-forwarded-for`)).status).toBe(400);
  });
});
