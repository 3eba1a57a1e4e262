import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openVault, type TestVault } from '../../../test-support/vault.ts';
import { revokeSome } from '../lease/revocation.ts';
import { revocations } from '../lease/revoked.ts';
import { testSys } from './server.fixture.ts';

let vault: TestVault;
beforeAll(async () => {
  vault = await openVault({ sys: testSys(() => vault.keyring) });
});
afterAll(() => vault.close());

const put = (path: string, body: object = {}, token?: string) =>
  vault.request('PUT', path, { body, ...(token === undefined ? {} : { token }) });

async function create(body: object = { ttl: '1h' }) {
  const { auth } = (await vault.request('POST', 'auth/token/create', { body })).body;
  return { token: auth.client_token as string, lease: `auth/token/create/${auth.accessor}` };
}
const works = async (token: string) =>
  (await vault.request('GET', 'auth/token/lookup-self', { token })).status === 200;

describe('leases of tokens', () => {
  it('are looked up, by those who know them', async () => {
    const { lease } = await create();

    const { body } = await put('sys/leases/lookup', { lease_id: lease });

    expect(body.data).toMatchObject({
      id: lease,
      path: 'auth/token/create',
      renewable: true,
      last_renewal: null,
    });
    expect(body.data.ttl).toBeGreaterThan(3590);
    expect(Date.parse(body.data.expire_time) - Date.parse(body.data.issue_time)).toBe(3_600_000);
  });

  it.each(['', 'nothing', 'auth/token/create/nobody', 'auth/other/login/'])(
    'named %j are refused',
    async (lease_id) => {
      expect((await put('sys/leases/lookup', { lease_id })).status).toBe(400);
    },
  );

  it('are found only under their whole name', async () => {
    const { lease } = await create();
    const accessor = lease.slice(lease.lastIndexOf('/') + 1);

    expect((await put('sys/leases/lookup', { lease_id: accessor })).status).toBe(400);
    expect((await put('sys/leases/lookup', { lease_id: `auth/other/${accessor}` })).status).toBe(400);
  });

  it('are listed by what comes next', async () => {
    const { lease } = await create();

    expect((await vault.request('LIST', 'sys/leases/lookup')).body.data.keys).toContain('auth/');
    expect((await vault.request('LIST', 'sys/leases/lookup/auth')).body.data.keys).toEqual(['token/']);
    expect((await vault.request('LIST', 'sys/leases/lookup/auth/token/create')).body.data.keys).toContain(
      lease.slice(lease.lastIndexOf('/') + 1),
    );
    expect((await vault.request('LIST', 'sys/leases/lookup/database')).status).toBe(404);
  });

  it('are not renewed by their name: that is for whoever holds the token', async () => {
    const { lease } = await create();

    const answer = await put('sys/leases/renew', { lease_id: lease, increment: 60 });

    expect(answer.status).toBe(403);
    expect(answer.body.errors[0]).toContain('tokens cannot be renewed through this endpoint');
    expect((await put('sys/renew', { lease_id: 'nothing' })).status).toBe(400);
  });

  it.each(['sys/leases/revoke', 'sys/revoke'])(
    'are revoked by %s, in body or path, and a second time',
    async (path) => {
      const [one, other] = [await create(), await create()];

      expect((await put(path, { lease_id: one.lease })).status).toBe(204);
      expect((await put(`${path}/${other.lease}`)).status).toBe(204);
      expect((await put(path, { lease_id: one.lease })).status).toBe(204);
      expect([await works(one.token), await works(other.token)]).toEqual([false, false]);
    },
  );

  it('are revoked by whole segments of a prefix, or by their whole name', async () => {
    const one = await create();

    await put('sys/leases/revoke-prefix/auth/tok');
    expect(await works(one.token)).toBe(true);
    await put(`sys/leases/revoke-force/${one.lease}`);
    expect(await works(one.token)).toBe(false);
    const other = await create();
    await put('sys/revoke-prefix/auth/token');
    expect(await works(other.token)).toBe(false);
  });

  it('of tokens without an end do not exist, so no prefix takes root away', async () => {
    await put('sys/leases/revoke-prefix/auth');

    expect(await works(vault.rootToken)).toBe(true);
  });

  it('take the tokens that were made with the token along', async () => {
    const parent = await create({ ttl: '1h', policies: ['root'] });
    const { auth } = (
      await vault.request('POST', 'auth/token/create', {
        token: parent.token,
        body: { ttl: '30m', policies: ['default'] },
      })
    ).body;

    await put('sys/leases/revoke', { lease_id: parent.lease });

    expect(await works(auth.client_token)).toBe(false);
  });

  it('are invalid at once when there are more than one turn revokes', async () => {
    const many = await Promise.all(Array.from({ length: 620 }, () => create()));
    expect((await put('sys/leases/revoke-prefix/auth/token/create')).status).toBe(204);
    const pending = vault.journal.peek((turn) => revocations(turn).length);

    const left = await Promise.all(many.map(({ token }) => works(token)));
    const late = await create();

    expect(pending).toBe(1);
    expect(left.filter(Boolean)).toHaveLength(0);
    expect((await vault.request('LIST', 'sys/leases/lookup/auth/token/create')).body.data.keys).toHaveLength(
      1,
    );
    expect(await works(late.token)).toBe(true);
    for (let count = 1; count > 0; ) {
      count = await vault.journal.run((turn) => ({ answer: revokeSome(turn, 50), audit: [] }));
    }
    expect(vault.journal.peek((turn) => revocations(turn).length)).toBe(0);
    expect(await works(late.token)).toBe(true);
  });

  it('are counted by login method', async () => {
    await create();

    const { counts, lease_count: all } = (await vault.request('GET', 'sys/leases/count')).body.data;

    expect(counts).toEqual({ 'auth/token/': all });
    expect((await vault.request('GET', 'sys/leases/count?type=irrevocable')).body.data).toEqual({
      lease_count: 0,
      counts: {},
    });
  });

  it('take sudo where they reach others', async () => {
    await vault.request('PUT', 'sys/policies/acl/all', {
      body: { policy: 'path "*" { capabilities = ["read", "update", "list"] }' },
    });
    const { token } = await create({ policies: ['all'] });

    expect((await vault.request('LIST', 'sys/leases/lookup/auth', { token })).status).toBe(403);
    expect((await put('sys/leases/revoke-prefix/auth', {}, token)).status).toBe(403);
    expect((await put('sys/revoke-force/auth', {}, token)).status).toBe(403);
  });
});
