import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openVault, type TestVault } from '../../../test-support/vault.ts';

let vault: TestVault;
beforeAll(async () => {
  vault = await openVault();
  expect((await vault.request('POST', 'sys/auth/approle', { body: { type: 'approle' } })).status).toBe(204);
  expect((await vault.request('POST', 'auth/approle/role/ci', { body: {} })).status).toBe(204);
});
afterAll(() => vault.close());

describe('ranges of addresses', () => {
  it.each([
    ['auth/approle/role/ci', 'token_bound_cidrs'],
    ['auth/approle/role/ci', 'secret_id_bound_cidrs'],
    ['auth/approle/role/ci/secret-id', 'cidr_list'],
    ['auth/approle/role/ci/secret-id', 'token_bound_cidrs'],
    ['auth/token/roles/ci', 'token_bound_cidrs'],
    ['auth/token/roles/ci', 'bound_cidrs'],
  ])('at %s are refused in %s when they can hold nothing', async (path, field) => {
    const ask = (value: unknown) => vault.request('POST', path, { body: { [field]: value } });

    for (const wrong of ['10.0.0.0/33', '10.0.0/8', 'localhost', '010.0.0.1', '::1/129', ['10.0.0.1', 'x']]) {
      const answer = await ask(wrong);
      expect(answer.status).toBe(400);
      expect(answer.body.errors[0]).toMatch(/as a range like 10\.0\.0\.0\/8/);
    }
    expect((await ask(['10.0.0.0/8', '::1', '2001:db8::/32'])).status).toBeLessThan(300);
  });
});
