import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readQuickHead } from './quick-head.ts';
import { rawClient } from './raw.fixture.ts';

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');
const head = (...lines: string[]): string => [...lines, '', ''].join('\r\n');
const get = head(
  'GET /v1/app/data/team/secret?version=2 HTTP/1.1',
  'Host: 127.0.0.1:8200',
  'User-Agent: Go-http-client/1.1',
  'X-Vault-Token: hvs.abc',
  'Accept-Encoding: gzip',
);
const post = `${head('POST /v1/a HTTP/1.1', 'host: x', 'Content-Length: 7', 'content-type: application/json')}{"a":1}`;

describe('one whole request', () => {
  it('is read with its path, its headers in lower case and the place of its body', () => {
    expect(readQuickHead(bytesOf(get))).toEqual({
      method: 'GET',
      url: '/v1/app/data/team/secret?version=2',
      headers: {
        host: '127.0.0.1:8200',
        'user-agent': 'Go-http-client/1.1',
        'x-vault-token': 'hvs.abc',
        'accept-encoding': 'gzip',
      },
      bodyStart: get.length,
    });
    const read = readQuickHead(bytesOf(post));
    expect(read).toMatchObject({ method: 'POST', url: '/v1/a', bodyStart: post.length - 7 });
    expect(Object.getPrototypeOf(read?.headers)).toBeNull();
  });

  it.each(['GET', 'LIST', 'SCAN', 'POST', 'PUT', 'PATCH', 'DELETE'])('may be a %s', (method) => {
    expect(readQuickHead(bytesOf(get.replace('GET', method)))?.method).toBe(method);
  });

  it.each([
    ['a value without a space before it', 'X-A:b', 'x-a', 'b'],
    ['a value behind some', 'X-A:   b c', 'x-a', 'b c'],
    ['an empty value', 'X-A:', 'x-a', ''],
    ['an empty value behind a space', 'X-A: ', 'x-a', ''],
    ['a connection that is kept', 'Connection: Keep-Alive', 'connection', 'Keep-Alive'],
    ['no body', 'Content-Length: 0', 'content-length', '0'],
    ['a name that means something elsewhere', 'constructor: a', 'constructor', 'a'],
  ])('may have %s', (_what, line, name, value) => {
    expect(readQuickHead(bytesOf(head('GET / HTTP/1.1', 'host: x', line)))?.headers[name]).toBe(value);
  });
});

describe('what is left to Node', () => {
  const withLine = (line: string): string => get.replace('User-Agent: Go-http-client/1.1', line);
  const many = (count: number): string[] => Array.from({ length: count }, (_, index) => `x-${index}: a`);

  it.each([
    ['nothing', ''],
    ['a method that is none of those', get.replace('GET', 'HEAD')],
    ['a method in another case', get.replace('GET', 'get')],
    ['a method that goes on', get.replace('GET', 'GETS')],
    ['a line end before it', `\r\n${get}`],
    ['two spaces', get.replace('GET /', 'GET  /')],
    ['a target that is an address', get.replace('GET /', 'GET http://x/')],
    ['a target that is a star', head('GET * HTTP/1.1', 'host: x')],
    ['no target', head('GET  HTTP/1.1', 'host: x')],
    ['a fragment', get.replace('?', '#')],
    ['a control character in the target', get.replace('?', '\x01')],
    ['a byte above ASCII in the target', get.replace('?', '\xe4')],
    ['HTTP/1.0', get.replace('HTTP/1.1', 'HTTP/1.0')],
    ['something behind the version', get.replace('HTTP/1.1', 'HTTP/1.1 ')],
    ['no host', head('GET / HTTP/1.1', 'x-a: b')],
    ['two hosts', withLine('Host: y')],
    ['one name twice', withLine('x-vault-token: b')],
    ['a name twice, once in another case', withLine('ACCEPT-encoding: b')],
    ['a line without a colon', withLine('x-a')],
    ['a name with a space behind it', withLine('x-a : b')],
    ['an empty name', withLine(': b')],
    ['a name with a rare character', withLine('x!a: b')],
    ['the name of a prototype', withLine('__proto__: b')],
    ['a folded line', withLine('x-a: b\r\n c')],
    ['a tab', withLine('x-a:\tb')],
    ['a tab in a value', withLine('x-a: b\tc')],
    ['a space behind a value', withLine('x-a: b ')],
    ['a control character in a value', withLine('x-a: b\x7f')],
    ['a byte above ASCII in a value', withLine('x-a: \xe4')],
    ['a line that ends with \\n', withLine('x-a: b\nx-b: c')],
    ['a line that ends with \\r', withLine('x-a: b\rx-b: c')],
    ['chunks', `${withLine('Transfer-Encoding: chunked')}0\r\n\r\n`],
    ['the end of the connection', withLine('Connection: close')],
    ['a list of connection options', withLine('Connection: keep-alive, x-vault-token')],
    ['a wish to upgrade', withLine('Upgrade: h2c')],
    ['an expectation', withLine('Expect: 100-continue')],
    ['a body that is announced and not there', post.slice(0, -7)],
    ['a body that is not whole', post.slice(0, -1)],
    ['a body that goes on', `${post} `],
    ['a body without a length', post.replace('Content-Length', 'x-length')],
    ['another request behind it', get + get],
    ['a length with a sign', post.replace(': 7', ': +7')],
    ['a length with a zero before it', post.replace(': 7', ': 07')],
    ['a length in another base', post.replace(': 7', ': 0x7')],
    ['two lengths', post.replace('host: x', 'host: x\r\ncontent-length: 7')],
    ['two lengths in one', post.replace(': 7', ': 7, 7')],
    ['an empty length', post.replace(': 7', ':')],
    ['many headers', head('GET / HTTP/1.1', 'host: x', ...many(32))],
    ['a long head', head('GET / HTTP/1.1', 'host: x', `x-a: ${'a'.repeat(9000)}`)],
  ])('is %s', (_what, text) => {
    expect(readQuickHead(bytesOf(text))).toBeUndefined();
  });
});

const damage = fc.array(
  fc.tuple(
    fc.nat(400),
    fc.nat(3),
    fc.oneof(
      fc.constantFrom(
        '\r\n',
        '\r',
        '\n',
        ' ',
        '\t',
        ':',
        '\0',
        '',
        '#',
        '?',
        '/',
        '0',
        '7',
        '\r\n ',
        '\xff',
        'GET ',
      ),
      fc.constantFrom(
        'host: x\r\n',
        'content-length: 7\r\n',
        'Content-Length: 0\r\n',
        'te: x\r\n',
        'connection: x\r\n',
      ),
      fc.nat(255).map((code) => String.fromCharCode(code)),
    ),
  ),
  { maxLength: 3 },
);
const fields = fc.array(
  fc.tuple(
    fc.stringMatching(/^[a-zA-Z_-]{1,8}$/),
    fc.constantFrom(':', ': ', ':  ', ' :'),
    fc.string({ maxLength: 9 }),
  ),
  { maxLength: 4 },
);
const anyPacket = fc
  .tuple(
    fc.constantFrom(get, post, get.replace('GET', 'DELETE'), post.replace('POST', 'PUT')),
    fields,
    damage,
  )
  .map(([text, added, changes]) => {
    const lines = added.map(([name, between, value]) => `${name}${between}${value}\r\n`).join('');
    const end = text.indexOf('\r\n\r\n') + 2;
    let whole = text.slice(0, end) + lines + text.slice(end);
    for (const [at, removed, inserted] of changes) {
      const place = at % (whole.length + 1);
      whole = whole.slice(0, place) + inserted + whole.slice(place + removed);
    }
    return whole;
  });

describe('any bytes', () => {
  interface Read {
    readonly method: string | undefined;
    readonly url: string | undefined;
    readonly headers: object;
    readonly body: string;
  }
  let plain: Server;
  const seen: Read[] = [];
  beforeAll(async () => {
    plain = createServer((request, response) => {
      let body = '';
      request.setEncoding('latin1').on('data', (text) => {
        body += text;
      });
      request.on('end', () => {
        seen.push({ method: request.method, url: request.url, headers: { ...request.headers }, body });
        response.end();
      });
    });
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', () => resolve()));
  });
  afterAll(() => {
    plain.close();
  });

  it('that are taken for a request are this one request to Node, and no other', async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(anyPacket, async (text) => {
        const bytes = bytesOf(text);
        const read = readQuickHead(bytes);
        if (read === undefined) return;
        taken += 1;
        seen.length = 0;
        const client = await rawClient((plain.address() as AddressInfo).port);
        await client.send(text);
        await client.until('200 OK');
        client.socket.end();
        await client.ended();

        const { method, url, headers, bodyStart } = read;
        const body = bytes.toString('latin1', bodyStart);
        expect(seen).toEqual([{ method, url, headers: { ...headers }, body }]);
      }),
      { numRuns: 3000 },
    );
    expect(taken).toBeGreaterThan(300);
  });

  it('that are taken for a request are none with a byte more or less', () => {
    fc.assert(
      fc.property(anyPacket, fc.string({ minLength: 1, maxLength: 20 }), fc.nat(2000), (text, more, cut) => {
        if (readQuickHead(bytesOf(text)) === undefined) return;
        expect(readQuickHead(bytesOf(text + more))).toBeUndefined();
        expect(readQuickHead(bytesOf(text.slice(0, cut % text.length)))).toBeUndefined();
      }),
      { numRuns: 3000 },
    );
  });
});
