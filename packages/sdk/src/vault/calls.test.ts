import { createServer } from 'node:net';
import { isFault, SecretBytes } from '@sallyport/formats';
import { afterEach, describe, expect, it } from 'vitest';
import { createVaultClient, type VaultClient } from './client.ts';
import { tokenLogin } from './login/token.ts';
import { manualTiming, type Reply, type Scripted, scripted } from './scripted.fixture.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function serve(reply: Reply): Promise<Scripted> {
  const server = await scripted(reply);
  open.push(server);
  return server;
}

/** Without a token, so that only the request of the test is seen. Pauses take no time. */
function clientOf(...address: readonly string[]): VaultClient {
  const client = createVaultClient({
    address,
    timing: manualTiming(Number.POSITIVE_INFINITY),
    timeoutMs: 2_000,
  });
  open.push(client);
  return client;
}

async function freeAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('expected a port');
  return `http://127.0.0.1:${address.port}`;
}

const faultOf = async (promise: Promise<unknown>) => {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (isFault(error)) return error;
  throw new Error(`expected a Fault, got ${String(error)}`);
};

const get = { method: 'GET', path: 'secret/a' } as const;
const post = { method: 'POST', path: 'secret/a', body: { a: 1 } } as const;

describe('a refusal', () => {
  it.each([
    [400, ['nope'], 'invalid', 'vault.refused', 'nope'],
    [
      400,
      ['check-and-set parameter did not match the current version'],
      'conflict',
      'vault.cas_mismatch',
      'check-and',
    ],
    [403, ['permission denied'], 'denied', 'vault.denied', 'permission denied'],
    [403, [], 'denied', 'vault.denied', 'permission denied'],
    [404, [], 'not_found', 'vault.not_found', 'nothing is at secret/a'],
    [405, ['unsupported operation'], 'invalid', 'vault.unsupported_operation', 'unsupported'],
    [413, [], 'exhausted', 'vault.too_large', 'status 413'],
    [500, ['internal error'], 'internal', 'vault.failed', 'internal error'],
  ])('%i %j becomes %s, %s', async (status, errors, kind, code, message) => {
    const server = await serve(() => ({ status, body: { errors } }));

    const fault = await faultOf(clientOf(server.address).openRequest(get));

    expect(fault).toMatchObject({ kind, code, details: { status, path: 'secret/a' } });
    expect(fault.message).toContain(message);
    expect(server.seen).toHaveLength(1);
  });

  it.each([
    '<html>bad gateway</html>',
    '',
    '[]',
    '{"errors":"x"}',
    '{"errors":[1]}',
    `{"errors":["${'x'.repeat(70_000)}"]}`,
  ])('with a body that is none of Vault (%.20s) is still one', async (body) => {
    const server = await serve(() => ({ status: 418, body }));

    expect(await faultOf(clientOf(server.address).openRequest(get))).toMatchObject({ code: 'vault.refused' });
  });

  it('is no place to follow', async () => {
    const server = await serve(() => ({
      status: 307,
      headers: { location: 'http://127.0.0.1:1/v1/secret/a' },
    }));

    expect(await faultOf(clientOf(server.address).openRequest(get))).toMatchObject({
      code: 'sdk.redirected',
    });
  });
});

describe('sending again', () => {
  it.each([
    ['a read and 503', get, 503, {}, 3],
    ['a read and 429', get, 429, {}, 3],
    ['a write and 429', post, 429, {}, 3],
    ['a write and 503 that names a time', post, 503, { 'retry-after': '1' }, 3],
    ['no write and 503 without a time', post, 503, {}, 1],
    ['no read and a time that is too long', get, 503, { 'retry-after': '3600' }, 1],
    ['no write and 500', post, 500, {}, 1],
    ['no read of a sealed server', get, 503, { 'retry-after': '1' }, 1, 'Vault is sealed'],
    ['no read and 500', get, 500, {}, 1],
  ])('is for %s', async (_what, call, status, headers, times, text = 'x') => {
    const server = await serve(() => ({ status, body: { errors: [text] }, headers }));

    await faultOf(clientOf(server.address).openRequest(call));

    expect(server.seen).toHaveLength(times);
  });

  it('stops with the first answer', async () => {
    let count = 0;
    const server = await serve(() =>
      ++count < 3 ? { status: 429 } : { status: 200, body: { data: { a: 1 } } },
    );

    const answer = await clientOf(server.address).openRequest(post);

    expect(answer.number('data', 'a')).toBe(1);
  });

  it('waits as long as the server says', async () => {
    const timing = manualTiming();
    let count = 0;
    const server = await serve(() =>
      ++count < 2 ? { status: 503, headers: { 'retry-after': '7' } } : { status: 204 },
    );
    const client = createVaultClient({ address: server.address, timing });
    open.push(client);

    const sent = client.openRequest(post);
    await timing.advance(0);
    await timing.advance(6_999);
    const early = server.seen.length;
    await timing.advance(1);
    await sent;

    expect([early, server.seen.length]).toEqual([1, 2]);
  });
});

describe('several servers', () => {
  it('are one, when nobody listens at the first: also for writes', async () => {
    const server = await serve(() => ({ status: 204 }));
    const client = clientOf(await freeAddress(), server.address);

    await client.openRequest(post);
    await client.openRequest(post);

    expect(client.address).toBe(server.address);
    expect(server.seen).toHaveLength(2);
  });

  it('are one, when the first is sealed', async () => {
    const sealed = await serve(() => ({ status: 503, body: { errors: ['Vault is sealed'] } }));
    const server = await serve(() => ({ status: 200, body: { data: {} } }));

    await clientOf(sealed.address, server.address).openRequest(get);

    expect([sealed.seen.length, server.seen.length]).toEqual([1, 1]);
  });

  it('are not asked about a refusal', async () => {
    const refusing = await serve(() => ({ status: 403 }));
    const server = await serve(() => ({ status: 204 }));

    await faultOf(clientOf(refusing.address, server.address).openRequest(get));

    expect(server.seen).toEqual([]);
  });

  it('that are all away are said to be', async () => {
    const client = clientOf(await freeAddress(), await freeAddress());

    expect(await faultOf(client.openRequest(get))).toMatchObject({
      kind: 'unavailable',
      code: 'sdk.unreachable',
    });
  });
});

describe('an answer', () => {
  it('that is too slow is given up', async () => {
    const server = createServer(() => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('expected a port');
    const client = createVaultClient({
      address: `http://127.0.0.1:${address.port}`,
      timeoutMs: 50,
      attempts: 1,
    });
    open.push(client);

    const fault = await faultOf(client.openRequest(get));
    server.close();

    expect(fault).toMatchObject({ kind: 'unavailable', code: 'sdk.timeout' });
  });

  it('that is no JSON is not taken', async () => {
    const server = await serve(() => ({ status: 200, body: 'hello' }));

    expect(await faultOf(clientOf(server.address).openRequest(get))).toMatchObject({ code: 'vault.json' });
  });
});

describe('a path', () => {
  it.each([
    '',
    '/',
    'a//b',
    'a/../b',
    '.',
    'a/..',
    'a\nb',
    'a\u0000',
    'a\\b',
    `${'x'.repeat(1100)}`,
    '\ud800',
  ])('%j is refused before anything is sent', async (path) => {
    const server = await serve(() => ({ status: 204 }));

    expect(await faultOf(clientOf(server.address).openRequest({ ...get, path }))).toMatchObject({
      code: 'vault.path',
    });
    expect(server.seen).toEqual([]);
  });

  it('keeps every character in its part', async () => {
    const server = await serve(() => ({ status: 204 }));

    await clientOf(server.address).openRequest({
      ...get,
      path: '/v1/secret/a b?c#d%2e/ü',
      query: { list: 'true' },
    });

    expect(server.seen).toEqual(['GET /v1/secret/a%20b%3Fc%23d%252e/%C3%BC?list=true']);
  });
});

describe('a token', () => {
  it.each(['', 'a b', 'a\nx-vault-namespace: b', 'ü'])('%j is never made a header', async (text) => {
    const server = await serve(() => ({ status: 204 }));
    const login = tokenLogin(SecretBytes.fromUtf8(text));
    const client = createVaultClient({ address: server.address, login });
    open.push(client);

    expect(await faultOf(client.request(get))).toMatchObject({ code: 'vault.token' });
    expect(server.seen).toEqual([]);
  });
});
