import { createHash, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '@sallyport/formats';
import { afterEach, describe, expect, it } from 'vitest';
import { person } from '../../../test-support/fakes.ts';
import { openTestHttp, type TestHttp } from '../../../test-support/http.ts';
import { collectBody } from './body.ts';
import type { Routes } from './types.ts';

let test: TestHttp | undefined;
afterEach(async () => {
  await test?.close();
  test = undefined;
});

const known = { kind: 'authenticated', reason: 'test' } as const;
const authorization = 'Bearer t';

async function open(routes: Routes, config = {}): Promise<string> {
  test = await openTestHttp({ routes: [routes], actors: { t: person('ada') }, config });
  return test.url;
}

/** Writes raw bytes, piece by piece, and gives all that came back. */
async function raw(url: string, pieces: readonly string[], pauseMs = 0): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1');
  });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => undefined);
  for (const piece of pieces) {
    if (socket.destroyed) break;
    socket.write(piece);
    await sleep(pauseMs);
  }
  await Promise.race([closed, sleep(8000)]);
  socket.destroy();
  return answer;
}

describe('a stream', () => {
  it('takes and gives bytes without holding them, and hashes match', async () => {
    const url = await open((http) =>
      http.stream({
        method: 'PUT',
        path: '/v2/*',
        summary: 'Echoes',
        access: known,
        handle: (_request, reply, body) => reply.status(201).headers({ 'x-kind': 'echo' }).send(body),
      }),
    );
    const bytes = randomBytes(5_000_000);

    const response = await fetch(`${url}/v2/a/b/blobs/uploads/`, {
      method: 'PUT',
      body: bytes,
      headers: { authorization },
    });
    const back = new Uint8Array(await response.arrayBuffer());

    expect(response.status).toBe(201);
    expect(response.headers.get('x-kind')).toBe('echo');
    expect(createHash('sha256').update(back).digest('hex')).toBe(
      createHash('sha256').update(bytes).digest('hex'),
    );
  });

  it.each(['/v2/a/../b', '/v2/a/%2e%2e/b', '/v2/a//b', '/v2/..%2fb'])('refuses the path %s', async (path) => {
    const url = await open((http) =>
      http.stream({
        method: 'GET',
        path: '/v2/*',
        summary: 'x',
        access: known,
        handle: (r, reply) => reply.send(r.params['*']),
      }),
    );

    const answer = await raw(url, [
      `GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\nconnection: close\r\n\r\n`,
    ]);

    expect(answer).toMatch(/^HTTP\/1.1 400/);
  });

  it('keeps a declared length in the answer to HEAD', async () => {
    const url = await open((http) =>
      http.stream({
        method: 'HEAD',
        path: '/v2/x',
        summary: 'x',
        access: known,
        handle: (_request, reply) => reply.headers({ 'content-length': '12345' }).send(),
      }),
    );

    const response = await fetch(`${url}/v2/x`, { method: 'HEAD', headers: { authorization } });

    expect(response.headers.get('content-length')).toBe('12345');
  });

  it('takes a token as Basic password where declared, and renders faults its own way', async () => {
    const url = await open((http) =>
      http.stream({
        method: 'GET',
        path: '/v2/',
        summary: 'x',
        access: known,
        credentials: 'basic',
        renderFault: (fault) => ({
          contentType: 'application/json',
          body: JSON.stringify({ errors: [{ code: fault.code }] }),
          headers: { 'www-authenticate': 'Basic realm="sallyport"' },
        }),
        handle: (request, reply) => reply.send(request.actor.name),
      }),
    );

    const good = await fetch(`${url}/v2/`, { headers: { authorization: `Basic ${btoa('anyone:t')}` } });
    const bad = await fetch(`${url}/v2/`);

    expect(await good.text()).toBe('ada');
    expect(bad.status).toBe(401);
    expect(bad.headers.get('www-authenticate')).toBe('Basic realm="sallyport"');
    expect(await bad.json()).toEqual({ errors: [{ code: 'http.no_credentials' }] });
  });

  it('stops a body at its limit, also when the length was not told', async () => {
    let taken = 0;
    const url = await open((http) =>
      http.stream({
        method: 'POST',
        path: '/up',
        summary: 'x',
        access: known,
        bodyLimitBytes: 100_000,
        handle: async (_request, reply, body) => {
          for await (const chunk of body) taken += chunk.length;
          await reply.send('ok');
        },
      }),
    );
    const endless = new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array(50_000)) });

    const told = await fetch(`${url}/up`, {
      method: 'POST',
      body: new Uint8Array(100_001),
      headers: { authorization },
    });
    expect(told.status).toBe(413);
    expect(taken).toBe(0);

    const untold = await fetch(`${url}/up`, {
      method: 'POST',
      body: endless,
      duplex: 'half',
      headers: { authorization },
    }).then(
      (response) => response.status,
      () => 'cut off',
    );
    expect([413, 'cut off']).toContain(untold);
    expect(taken).toBeLessThanOrEqual(100_000);
  });

  it('cuts the connection when it fails half way, so that half is never taken for whole', async () => {
    const url = await open((http) =>
      http.stream({
        method: 'GET',
        path: '/down',
        summary: 'x',
        access: known,
        handle: (_request, reply) =>
          reply.send(
            (async function* () {
              yield new Uint8Array(10);
              await sleep(20);
              throw new Fault('unavailable', 'x.y', 'disk gone');
            })(),
          ),
      }),
    );

    const read = fetch(`${url}/down`, { headers: { authorization } }).then((response) =>
      response.arrayBuffer(),
    );

    await expect(read).rejects.toThrow();
  });

  it('tells the handler when the caller goes away', async () => {
    let aborted: (() => void) | undefined;
    const gone = new Promise<void>((resolve) => {
      aborted = resolve;
    });
    const url = await open((http) =>
      http.stream({
        method: 'GET',
        path: '/follow',
        summary: 'x',
        access: known,
        handle: async (request, reply) => {
          request.signal.addEventListener('abort', () => aborted?.());
          await reply.send(
            (async function* () {
              while (!request.signal.aborted) {
                yield new Uint8Array(1);
                await sleep(10);
              }
            })(),
          );
        },
      }),
    );
    const caller = new AbortController();

    const response = await fetch(`${url}/follow`, { headers: { authorization }, signal: caller.signal });
    caller.abort();

    expect(response.status).toBe(200);
    await gone;
  });
});

describe('time limits', () => {
  const slow: Routes = (http) => {
    http.route({
      method: 'POST',
      path: '/json',
      summary: 'x',
      access: known,
      timeoutSeconds: 0.4,
      handle: async () => undefined,
    });
    http.route({
      method: 'GET',
      path: '/hangs',
      summary: 'x',
      access: known,
      timeoutSeconds: 0.3,
      handle: async ({ signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        return undefined;
      },
    });
    http.stream({
      method: 'POST',
      path: '/hook',
      summary: 'x',
      access: { kind: 'public', reason: 'test' },
      timeoutSeconds: 0.4,
      handle: async (_request, reply, body) => reply.send(await collectBody(body)),
    });
    http.stream({
      method: 'POST',
      path: '/upload',
      summary: 'x',
      access: known,
      timeoutSeconds: 0.4,
      handle: async (_request, reply, body) => reply.send(`${(await collectBody(body)).length}`),
    });
  };
  const head = (path: string, length: number) =>
    `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n`;

  it('end a JSON request whose body trickles', async () => {
    const url = await open(slow);

    expect(await raw(url, [head('/json', 100), ...'{"a":"bcdefghij"}'], 100)).toMatch(/^HTTP\/1.1 408/);
  });

  it('end a handler that hangs', async () => {
    const url = await open(slow);

    const response = await fetch(`${url}/hangs`, { headers: { authorization } });

    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: 'http.slow' });
  });

  it('bound the whole of a public stream, also one that trickles', async () => {
    const url = await open(slow);

    expect(await raw(url, [head('/hook', 100), ...'x'.repeat(15)], 100)).toMatch(/^HTTP\/1.1 408/);
  });

  it('bound the silence of a known caller, not the length of the upload', async () => {
    const url = await open(slow);

    expect(await raw(url, [head('/upload', 10), ...'x'.repeat(10)], 100)).toMatch(/^HTTP\/1.1 200.*10$/s);
    expect(await raw(url, [head('/upload', 10), 'x'], 100)).toMatch(/^HTTP\/1.1 408/);
  });
});

describe('hostile HTTP', () => {
  const nothing: Routes = () => undefined;

  it.each([
    ['no HTTP at all', 'hello\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab', 400],
    [
      'length and chunks',
      'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['huge headers', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
  ])('answers %s with a problem and closes', async (_what, text, status) => {
    const url = await open(nothing);

    const answer = await raw(url, [text]);

    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status}`));
    expect(answer).toContain('application/problem+json');
  });
});

describe('stop', () => {
  it('finishes what is in flight and takes nothing new', async () => {
    let entered: (() => void) | undefined;
    const inside = new Promise<void>((resolve) => {
      entered = resolve;
    });
    const url = await open((http) =>
      http.route({
        method: 'GET',
        path: '/slow',
        summary: 'x',
        access: known,
        handle: async () => {
          entered?.();
          await sleep(300);
          return { done: true };
        },
      }),
    );
    const inFlight = fetch(`${url}/slow`, { headers: { authorization } });
    await inside;

    const stopped = test?.http.stop();
    const late = await fetch(`${url}/slow`, { headers: { authorization } }).then(
      (response) => response.status,
      () => 'refused',
    );

    expect(['refused', 503]).toContain(late);
    expect(await (await inFlight).json()).toEqual({ done: true });
    await stopped;
  });

  it('cuts off what does not finish within the grace', async () => {
    const url = await open(
      (http) =>
        http.stream({
          method: 'GET',
          path: '/ever',
          summary: 'x',
          access: known,
          handle: (_r, reply) =>
            reply.send(
              (async function* () {
                for (;;) {
                  yield new Uint8Array(1);
                  await sleep(20);
                }
              })(),
            ),
        }),
      { graceSeconds: 0.3 },
    );
    const response = await fetch(`${url}/ever`, { headers: { authorization } });
    const started = Date.now();

    await test?.http.stop();

    expect(Date.now() - started).toBeLessThan(3000);
    await expect(response.arrayBuffer()).rejects.toThrow();
  });

  it('is seen by the health check while it lasts', async () => {
    test = await openTestHttp({
      routes: [],
      health: { db: async () => undefined, disk: async () => Promise.reject(new Error('full of secrets')) },
    });

    const response = await fetch(`${test.url}/api/health`);

    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ status: 'failing', checks: { db: 'ok', disk: 'failing' } });
  });
});
