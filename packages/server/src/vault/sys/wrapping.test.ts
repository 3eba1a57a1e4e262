import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openVault, type TestVault } from '../../../test-support/vault.ts';
import { testSys } from './server.fixture.ts';

let vault: TestVault;
beforeAll(async () => {
  vault = await openVault({ sys: testSys(() => vault.keyring) });
});
afterAll(() => vault.close());

const invalid = { status: 400, body: { errors: ['wrapping token is not valid or does not exist'] } };

async function wrap(body: object = { secret: 'pearl' }, ttl = '60'): Promise<string> {
  const answer = await vault.request('POST', 'sys/wrapping/wrap', {
    body,
    headers: { 'x-vault-wrap-ttl': ttl },
  });
  expect(answer.body.wrap_info).toMatchObject({
    ttl: Number.parseInt(ttl, 10),
    creation_path: 'sys/wrapping/wrap',
  });
  expect(answer.text).not.toContain('pearl');
  return answer.body.wrap_info.token;
}
const unwrap = (token: string | undefined, own?: string | null) =>
  vault.request('POST', 'sys/wrapping/unwrap', {
    ...(token === undefined ? {} : { body: { token } }),
    ...(own === undefined ? {} : { token: own }),
  });

describe('wrapping', () => {
  it('gives what was wrapped to the holder of the token, once', async () => {
    const token = await wrap();

    expect((await unwrap(undefined, token)).body.data).toEqual({ secret: 'pearl' });
    expect(await unwrap(undefined, token)).toMatchObject(invalid);
    expect(await unwrap(token)).toMatchObject(invalid);
  });

  it('gives it to whoever brings the token in the body, once', async () => {
    const token = await wrap();

    expect((await unwrap(token)).body.data).toEqual({ secret: 'pearl' });
    expect(await unwrap(token)).toMatchObject(invalid);
  });

  it('gives it to one of many who ask at the same time', async () => {
    const token = await wrap();

    const answers = await Promise.all(
      Array.from({ length: 24 }, (_, index) => (index % 2 === 0 ? unwrap(token) : unwrap(undefined, token))),
    );

    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ text }) => text.includes('pearl'))).toHaveLength(1);
  });

  it('is not undone by somebody without the right to unwrap', async () => {
    const token = await wrap();
    const bare = (
      await vault.request('POST', 'auth/token/create', {
        body: { policies: ['none'], no_default_policy: true },
      })
    ).body.auth.client_token;

    expect((await unwrap(token, bare)).status).toBe(403);
    expect((await unwrap(token, null)).status).toBe(403);
    expect((await unwrap(token)).status).toBe(200);
  });

  it('ends with its time', async () => {
    const token = await wrap({ secret: 'pearl' }, '5');

    vault.clock.advance(6000);
    // The steady clock runs on; the wall's is only ever ahead of it.
    await new Promise((next) => setTimeout(next, 5));

    expect(await unwrap(token)).toMatchObject(invalid);
  });

  it('is looked at without being used up, by everybody who has the token', async () => {
    const token = await wrap();

    for (const options of [{ body: { token }, token: null }, { token }, { body: { token } }]) {
      const { body } = await vault.request('POST', 'sys/wrapping/lookup', options);
      expect(body.data).toMatchObject({ creation_path: 'sys/wrapping/wrap', creation_ttl: 60 });
    }
    expect((await unwrap(token)).status).toBe(200);
    expect(await vault.request('POST', 'sys/wrapping/lookup', { body: { token } })).toMatchObject(invalid);
  });

  it('is renewed by a rewrap, which ends the first token', async () => {
    const first = await wrap();

    const { body } = await vault.request('POST', 'sys/wrapping/rewrap', { body: { token: first } });

    expect(body.wrap_info).toMatchObject({ ttl: 60, creation_path: 'sys/wrapping/wrap' });
    expect(await unwrap(first)).toMatchObject(invalid);
    expect((await unwrap(body.wrap_info.token)).body.data).toEqual({ secret: 'pearl' });
  });

  it('tells nothing of tokens that wrap nothing', async () => {
    expect(await unwrap(vault.rootToken)).toMatchObject(invalid);
    expect(await unwrap('hvs.nobody')).toMatchObject(invalid);
    expect(await unwrap(undefined)).toMatchObject(invalid);
    expect((await vault.request('GET', 'auth/token/lookup-self')).status).toBe(200);
  });

  it('hides a login, whose token works when it is unwrapped', async () => {
    const made = await vault.request('POST', 'auth/token/create', {
      body: { ttl: '1h' },
      headers: { 'x-vault-wrap-ttl': '1m' },
    });
    expect(made.body.auth).toBeNull();
    expect(made.body.wrap_info.wrapped_accessor).toMatch(/\S/);

    const { auth } = (await unwrap(made.body.wrap_info.token)).body;

    expect(
      (await vault.request('GET', 'auth/token/lookup-self', { token: auth.client_token })).body.data.accessor,
    ).toBe(made.body.wrap_info.wrapped_accessor);
  });

  it('needs the header', async () => {
    expect(await vault.request('POST', 'sys/wrapping/wrap', { body: { a: 1 } })).toMatchObject({
      status: 400,
      body: { errors: ['endpoint requires response wrapping to be used'] },
    });
  });

  it('lets a wrapping token do nothing else', async () => {
    const token = await wrap();

    expect((await vault.request('GET', 'auth/token/lookup-self', { token })).status).toBe(403);
    expect((await vault.request('GET', 'secret/data/a', { token })).status).toBe(403);
  });
});
