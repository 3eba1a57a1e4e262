import type { AddressInfo } from 'node:net';
import { createServer as createTcp } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { createServers, loopbackCaPem } from '../loopback.fixture.ts';
import { boundedFetch } from './bounded-fetch.ts';
import { parseEndpoint, parseNamedEndpoint } from './endpoint.ts';

const servers = createServers();
afterEach(() => servers.closeAll());

const ask = (url: string, over: { caPem?: string; maxBytes?: number; ms?: number; body?: string } = {}) =>
  boundedFetch({
    url: parseEndpoint(url, 'url'),
    caPem: over.caPem ?? loopbackCaPem,
    maxBytes: over.maxBytes ?? 1024,
    signal: AbortSignal.timeout(over.ms ?? 5000),
    ...(over.body === undefined ? {} : { method: 'POST' as const, body: over.body }),
  });
const unavailable = expect.objectContaining({ kind: 'unavailable', code: 'vault.upstream' });

describe('an endpoint', () => {
  it.each([
    'https://issuer.example/keys',
    'https://10.0.0.1:6443',
    'http://127.0.0.1:8080/x',
    'http://127.9.9.9',
    'http://[::1]:1/',
    'http://localhost:80',
  ])('%s is accepted', (url) => {
    expect(parseEndpoint(url, 'jwks_url').href).toContain('://');
  });

  it.each([
    '',
    'issuer.example',
    'http://issuer.example',
    'http://127.0.0.1.issuer.example',
    'http://localhost.issuer.example',
    'http://0.0.0.0',
    'http://10.0.0.1',
    'file:///etc/passwd',
    'ftp://127.0.0.1/',
    'javascript:alert(1)',
    'https://user:password@issuer.example/',
    'https://issuer.example/#x',
    `https://issuer.example/${'a'.repeat(3000)}`,
  ])('%.80s is refused', (url) => {
    expect(() => parseEndpoint(url, 'jwks_url')).toThrow(
      expect.objectContaining({ kind: 'invalid', code: 'vault.setting' }),
    );
  });

  it('reads numbers that are addresses of the loopback interface as such', () => {
    expect(parseEndpoint('http://2130706433/', 'jwks_url').hostname).toBe('127.0.0.1');
    expect(parseEndpoint('http://0x7f.1/', 'jwks_url').hostname).toBe('127.0.0.1');
  });

  it('named by a document from the network is not on this machine without TLS', () => {
    const far = parseEndpoint('https://issuer.example/', 'a');
    const near = parseEndpoint('http://127.0.0.1:1/', 'a');

    expect(() => parseNamedEndpoint('http://127.0.0.1:2/', 'b', far)).toThrow(/https/);
    expect(parseNamedEndpoint('http://127.0.0.1:2/', 'b', near).port).toBe('2');
    expect(parseNamedEndpoint('https://other.example/', 'b', far).hostname).toBe('other.example');
  });
});

describe('a bounded fetch', () => {
  it('gives status, body and Cache-Control over TLS', async () => {
    const { url } = await servers.serve((_request, response) => {
      response.writeHead(404, { 'cache-control': 'max-age=7' }).end('{"a":1}');
    });

    const answer = await ask(url);

    expect(answer).toEqual({ status: 404, cacheControl: 'max-age=7', body: Buffer.from('{"a":1}') });
  });

  it('sends a body with its length', async () => {
    const { url } = await servers.serve((request, response) => {
      request.pipe(response.writeHead(200, { 'x-length': request.headers['content-length'] }));
    }, 'http');

    expect((await ask(url, { body: 'grant=ä' })).body.toString()).toBe('grant=ä');
  });

  it('reaches localhost without a name server', async () => {
    const { url } = await servers.serve((_request, response) => response.end('ok'), 'http');

    expect((await ask(url.replace('127.0.0.1', 'localhost'))).body.toString()).toBe('ok');
  });

  it('refuses a server of another authority', async () => {
    const { url, count } = await servers.serve((_request, response) => response.end('ok'));

    await expect(ask(url, { caPem: '' })).rejects.toThrow(unavailable);
    expect(count()).toBe(0);
  });

  it('refuses a server of another name', async () => {
    const { url, count } = await servers.serve((_request, response) => response.end('ok'));

    await expect(ask(url.replace('127.0.0.1', '127.0.0.2'))).rejects.toThrow(unavailable);
    expect(count()).toBe(0);
  });

  it.each([301, 302, 303, 307, 308, 304])('follows no redirect with status %d', async (status) => {
    const inner = await servers.serve((_request, response) => response.end('inside'), 'http');
    const { url } = await servers.serve((_request, response) => {
      response.writeHead(status, { location: inner.url }).end();
    });

    await expect(ask(url)).rejects.toThrow(unavailable);
    expect(inner.count()).toBe(0);
  });

  it('stops a body beyond the bound, announced or not', async () => {
    const announced = await servers.serve((_request, response) => {
      response.writeHead(200, { 'content-length': '4096' }).end(Buffer.alloc(4096));
    });
    let sent = 0;
    const endless = await servers.serve((_request, response) => {
      const more = (error?: Error | null): void => {
        if (error || response.destroyed) return;
        sent += 65_536;
        response.write(Buffer.alloc(65_536), more);
      };
      more();
    });

    await expect(ask(announced.url)).rejects.toThrow(/at most 1024 bytes/);
    await expect(ask(endless.url)).rejects.toThrow(/at most 1024 bytes/);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  it('refuses a compressed answer before it opens it', async () => {
    const { url } = await servers.serve((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(10_000_000)));
    });

    await expect(ask(url, { maxBytes: 100_000 })).rejects.toThrow(/without compression/);
  });

  it('ends with its deadline when the body trickles', async () => {
    const { url } = await servers.serve((_request, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write(' '), 10);
      response.on('close', () => clearInterval(timer));
    });
    const started = performance.now();

    await expect(ask(url, { ms: 200 })).rejects.toThrow(/in time/);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it.each(['silence after the connection', 'endless headers', 'endless informational answers', 'garbage'])(
    'ends with its deadline or before: %s',
    async (kind) => {
      const tcp = createTcp((socket) => {
        socket.on('error', () => undefined);
        const send = (text: string) => {
          const timer = setInterval(() => socket.write(text), 5);
          socket.on('close', () => clearInterval(timer));
        };
        if (kind === 'endless headers') {
          socket.write('HTTP/1.1 200 OK\r\n');
          send(`x-a: ${'b'.repeat(1000)}\r\n`);
        } else if (kind === 'endless informational answers') {
          send('HTTP/1.1 103 Early Hints\r\n\r\n');
        } else if (kind === 'garbage') {
          socket.end('SSH-2.0-x\r\n');
        }
      });
      await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
      // A listening TCP server has an address object.
      const { port } = tcp.address() as AddressInfo;
      try {
        await expect(ask(`http://127.0.0.1:${port}`, { ms: 300 })).rejects.toThrow(unavailable);
        await expect(ask(`https://127.0.0.1:${port}`, { ms: 300 })).rejects.toThrow(unavailable);
      } finally {
        tcp.close();
      }
    },
  );

  it('refuses an answer that breaks off', async () => {
    const { url } = await servers.serve((_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{"keys":[');
      setTimeout(() => response.destroy(), 20);
    });

    await expect(ask(url)).rejects.toThrow(unavailable);
  });

  it('refuses a port where nobody listens', async () => {
    const gone = await servers.serve((_request, response) => response.end());
    await servers.closeAll();

    await expect(ask(gone.url)).rejects.toThrow(unavailable);
  });
});
