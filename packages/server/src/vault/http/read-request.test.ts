import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openVault, type TestVault } from '../../../test-support/vault.ts';

let vault: TestVault;
beforeAll(async () => {
  vault = await openVault();
});
afterAll(() => vault.close());

const refusal = (status: number, error: RegExp) => ({
  status,
  body: { errors: [expect.stringMatching(error)] },
});
const write = (body: unknown, path = 'kv1/x') => vault.request('POST', path, { body });
const read = (path = 'kv1/x') => vault.request('GET', path);

/** What comes back, until the server closes, for bytes that no client library would send. */
async function exchange(bytes: string, breakOff = false): Promise<string> {
  const { port, hostname } = new URL(vault.address);
  return await new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let answer = '';
    socket.setEncoding('utf8').on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
    if (breakOff) socket.end(bytes);
    else socket.write(bytes);
  });
}
const raw = (path: string, lines: readonly string[] = [], body = ''): Promise<string> =>
  exchange(
    [
      `${body === '' ? 'GET' : 'POST'} ${path} HTTP/1.1`,
      'host: localhost',
      'connection: close',
      ...(body === '' ? [] : [`content-length: ${Buffer.byteLength(body)}`]),
      ...lines,
      '',
      body,
    ].join('\r\n'),
  );
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);

describe('the body of a request', () => {
  it.each([
    ['a list', '[1]', /^expected a JSON object as body, got a list/],
    ['a text', '"a"', /^expected a JSON object as body, got string/],
    ['a number', '1', /^expected a JSON object as body, got number/],
    ['half of an object', '{"a":', /./],
    ['two objects', '{}{}', /./],
    ['a name twice', '{"a":1,"a":2}', /./],
    ['a name twice, one escaped', '{"a":1,"\\u0061":2}', /./],
    ['a name twice, deep', '{"a":{"b":1,"b":2}}', /./],
    ['a comma too much', '{"a":1,}', /./],
    ['a comment', '{"a":1}//', /./],
    ['a number that is none', '{"a":NaN}', /./],
    ['a line end in a text', '{"a":"\n"}', /./],
    ['half of a surrogate pair', '{"a":"\\ud800"}', /./],
    ['a byte order mark', '\ufeff{"a":1}', /./],
    ['much depth', `{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`, /./],
    ['much depth, never closed', '{"a":'.repeat(200_000), /./],
  ])('is not %s', async (_what, body, error) => {
    expect(await write(body)).toMatchObject(refusal(400, error));
  });

  it('is UTF-8', async () => {
    const answer = await fetch(`${vault.address}/v1/kv1/x`, {
      method: 'POST',
      headers: { 'x-vault-token': vault.rootToken },
      body: Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xc3, 0x28, 0x22, 0x7d]),
    });

    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual({ errors: ['expected a body in UTF-8, got other bytes'] });
  });

  it('may be absent, blank or null', async () => {
    for (const body of ['', ' \n', 'null'])
      expect(await write(body, 'auth/token/lookup-self')).toMatchObject({ status: 200 });
  });

  it('keeps names that mean something elsewhere, and changes nothing by them', async () => {
    const body = '{"__proto__":{"polluted":true},"constructor":"a","toString":"b","hasOwnProperty":"c"}';
    expect((await write(body)).status).toBe(204);

    expect(JSON.stringify((await read()).body.data)).toBe(body);
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
    // As fields they are not there: what was not sent is not found on a prototype.
    expect((await write('{"__proto__":{"token":"x"}}', 'auth/token/revoke')).body.errors).toEqual([
      'missing token ID',
    ]);
  });

  it('keeps numbers as they were written where a secret is made of them', async () => {
    await write('{"long":12345678901234567890,"exact":1.10,"e":1e2}');

    expect((await read()).text).toContain('12345678901234567890');
  });

  it('has at most 4 MiB, told by its length or found on the way', async () => {
    const text = 'x'.repeat(4 * 1024 * 1024);

    expect(await write(`{"a":"${text}"}`)).toMatchObject({ status: 413 });
    const head = `POST /v1/kv1/x HTTP/1.1\r\nhost: a\r\nx-vault-token: ${vault.rootToken}\r\n`;
    const chunk = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`;
    const chunked = await exchange(`${head}transfer-encoding: chunked\r\n\r\n${chunk.repeat(70)}0\r\n\r\n`);
    expect(statusOf(chunked)).toBe(413);
    expect(chunked.toLowerCase()).toContain('connection: close');
    expect(statusOf(await exchange(`${head}content-length: 99999999999\r\n\r\n`))).toBe(413);
  });

  it('that breaks off changes nothing', async () => {
    await write({ kept: 'yes' });
    const head = `POST /v1/kv1/x HTTP/1.1\r\nhost: a\r\nx-vault-token: ${vault.rootToken}\r\ncontent-length: 50\r\n\r\n`;
    await exchange(`${head}{"kept":"no"}`, true);

    expect((await read()).body.data).toEqual({ kept: 'yes' });
  });
});

describe('the query of a request', () => {
  it('has each field once, and not in the body as well', async () => {
    expect(await read('kv1/x?a=1&a=2')).toMatchObject(refusal(400, /^expected each query field once/));
    expect(await write({ a: 1 }, 'kv1/x?a=2')).toMatchObject(refusal(400, /^expected each field once/));
    expect(await write({ list: 1 }, 'kv1/x?%6cist=1&list=2')).toMatchObject({ status: 400 });
  });

  it('is bounded', async () => {
    const many = Array.from({ length: 33 }, (_, index) => `f${index}=1`).join('&');

    expect(await read(`kv1/x?${many}`)).toMatchObject(refusal(400, /^expected at most 32 query fields/));
    expect(await read(`kv1/x?a=${'x'.repeat(4200)}`)).toMatchObject(
      refusal(400, /^expected a query of at most/),
    );
  });

  it('has names that mean something elsewhere as names', async () => {
    for (const name of ['__proto__', 'constructor', '__proto__[list]', 'toString'])
      expect((await read(`kv1/x?${name}=true`)).status).toBe(200);
    expect(Reflect.get({}, 'list')).toBeUndefined();
  });
});

describe('the headers of a request', () => {
  const lookup = (...lines: string[]): Promise<string> => raw('/v1/auth/token/lookup-self', lines);

  it('name the token, as Vault or as a bearer', async () => {
    const { rootToken } = vault;

    expect(statusOf(await lookup(`X-Vault-Token: ${rootToken}`))).toBe(200);
    expect(statusOf(await lookup(`Authorization: Bearer ${rootToken}`))).toBe(200);
    expect(statusOf(await lookup(`authorization: bearer ${rootToken}`))).toBe(200);
    expect(statusOf(await lookup(`Authorization: Basic ${rootToken}`))).toBe(403);
    expect(statusOf(await lookup(`Authorization: Bearer ${rootToken} ${rootToken}`))).toBe(403);
  });

  it('give no rights when there are two tokens', async () => {
    const { rootToken } = vault;

    expect(statusOf(await lookup(`X-Vault-Token: ${rootToken}`, 'X-Vault-Token: other'))).toBe(403);
    expect(statusOf(await lookup('X-Vault-Token: other', `X-Vault-Token: ${rootToken}`))).toBe(403);
    // The one that is Vault's own is meant, and is not helped by the other.
    expect(statusOf(await lookup('X-Vault-Token: other', `Authorization: Bearer ${rootToken}`))).toBe(403);
  });

  it('cannot choose another method', async () => {
    await write({ kept: 'yes' });
    for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override'])
      await raw('/v1/kv1/x', [`${name}: DELETE`, `X-Vault-Token: ${vault.rootToken}`]);

    expect((await read()).body.data).toEqual({ kept: 'yes' });
  });

  it('that Vault Enterprise knows mean nothing', async () => {
    const answer = await lookup(
      `X-Vault-Token: ${vault.rootToken}`,
      'X-Vault-Request: true',
      'X-Vault-Index: abc',
      'X-Vault-Inconsistent: forward-active-node',
      'X-Vault-Policy-Override: true',
      'X-Vault-No-Request-Forwarding: true',
    );

    expect(statusOf(answer)).toBe(200);
  });

  it('ask for wrapping in a time that is one', async () => {
    const wrapped = (ttl: string): Promise<string> =>
      lookup(`X-Vault-Token: ${vault.rootToken}`, `X-Vault-Wrap-TTL: ${ttl}`);

    for (const ttl of ['soon', '-1', '1x', '1e3', '0x10', '99999999999999999999'])
      expect(statusOf(await wrapped(ttl))).toBe(400);
    expect(await wrapped('1m')).toContain('"ttl":60');
  });

  it('do not say twice how long a body is', async () => {
    const token = `X-Vault-Token: ${vault.rootToken}`;
    const smuggled = 'GET /v1/auth/token/lookup-self HTTP/1.1\r\nhost: a\r\n\r\n';
    for (const lines of [
      ['content-length: 5', 'content-length: 6'],
      ['content-length: 5', 'transfer-encoding: chunked'],
      ['transfer-encoding: chunked, identity'],
      ['transfer-encoding: xchunked'],
    ]) {
      const head = ['POST /v1/kv1/x HTTP/1.1', 'host: a', token, ...lines, '', ''].join('\r\n');
      const answer = await exchange(`${head}0\r\n\r\n${smuggled}`);
      expect(statusOf(answer)).toBe(400);
      expect(answer).not.toContain('"data"');
    }
  });
});

describe('the method of a request', () => {
  it('PUT is POST, and HEAD is GET without the body', async () => {
    expect((await vault.request('PUT', 'kv1/method', { body: { a: 'b' } })).status).toBe(204);
    const head = await vault.request('HEAD', 'kv1/method');
    expect([head.status, head.text]).toEqual([200, '']);
  });

  it('is one of those the API has', async () => {
    for (const method of ['OPTIONS', 'TRACE', 'PROPFIND', 'LINK']) {
      const answer = await exchange(
        `${method} /v1/kv1/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-vault-token: ${vault.rootToken}\r\n\r\n`,
      );
      expect([400, 405]).toContain(statusOf(answer));
    }
  });
});

describe('an answer', () => {
  it('is kept by nobody', async () => {
    const answer = await raw('/v1/kv1/x', [`X-Vault-Token: ${vault.rootToken}`]);

    expect(answer.toLowerCase()).toContain('cache-control: no-store');
    expect(answer.toLowerCase()).toContain('content-type: application/json');
  });
});
