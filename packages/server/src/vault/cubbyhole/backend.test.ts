import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openVault, type TestVault } from '../../../test-support/vault.ts';

let vault: TestVault;
beforeAll(async () => {
  vault = await openVault();
});
afterAll(() => vault.close());

async function create(body: object = { ttl: '1h' }): Promise<string> {
  return (await vault.request('POST', 'auth/token/create', { body })).body.auth.client_token;
}

describe('a cubbyhole', () => {
  it('keeps, lists and forgets what its token put there', async () => {
    const token = await create();

    expect((await vault.request('POST', 'cubbyhole/a/b', { token, body: { x: 1, y: ['z'] } })).status).toBe(
      204,
    );
    expect((await vault.request('PUT', 'cubbyhole/c', { token, body: { x: 2 } })).status).toBe(204);

    expect((await vault.request('GET', 'cubbyhole/a/b', { token })).body.data).toEqual({ x: 1, y: ['z'] });
    expect((await vault.request('LIST', 'cubbyhole', { token })).body.data.keys).toEqual(['a/', 'c']);
    expect((await vault.request('LIST', 'cubbyhole/a', { token })).body.data.keys).toEqual(['b']);
    expect((await vault.request('DELETE', 'cubbyhole/a/b', { token })).status).toBe(204);
    expect((await vault.request('GET', 'cubbyhole/a/b', { token })).status).toBe(404);
    expect((await vault.request('LIST', 'cubbyhole/a', { token })).status).toBe(404);
  });

  it('is seen by no other token, not even root', async () => {
    const [mine, theirs] = [await create(), await create()];
    await vault.request('POST', 'cubbyhole/a', { token: mine, body: { x: 1 } });

    expect((await vault.request('GET', 'cubbyhole/a', { token: theirs })).status).toBe(404);
    expect((await vault.request('GET', 'cubbyhole/a')).status).toBe(404);
    expect((await vault.request('GET', 'cubbyhole/a', { token: null })).status).toBe(403);
  });

  it('is gone with its token', async () => {
    const token = await create();
    const before = vault.journal.status().records;
    await vault.request('POST', 'cubbyhole/deep/down/a', { token, body: { x: 1 } });
    expect(vault.journal.status().records).toBe(before + 1);

    await vault.request('POST', 'auth/token/revoke-self', { token });

    // With it go its entry and the records that find it.
    expect(vault.journal.status().records).toBeLessThan(before);
  });

  it.each([
    ['nothing', {}],
    ['a list', []],
  ])('keeps not %s', async (_name, body) => {
    expect((await vault.request('POST', 'cubbyhole/a', { body })).status).toBe(400);
  });

  it('has no place for everything', async () => {
    expect((await vault.request('POST', 'cubbyhole', { body: { x: 1 } })).status).toBe(400);
    expect((await vault.request('POST', 'cubbyhole/big', { body: { x: 'y'.repeat(600_000) } })).status).toBe(
      400,
    );
  });
});
