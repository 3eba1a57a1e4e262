import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '@sallyport/formats';
import { afterEach, describe, expect, it } from 'vitest';
import { allowAll, countingIds, silentLog } from '../../../../test-support/fakes.ts';
import { createHttp, type HttpDeps } from '../server.ts';
import { createListener, type Listener } from './listener.ts';
import { openRecorder, rawClient } from './raw.fixture.ts';

const config = { host: '127.0.0.1', port: 0, graceSeconds: 1, maxConnections: 100, version: '0.0.0' };
const deps = { log: silentLog, ids: countingIds(), config };
const stops: Array<() => Promise<void>> = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function open(
  more: Partial<typeof config> = {},
): Promise<{ listener: Listener; url: string; port: number }> {
  const listener = createListener({ ...deps, config: { ...config, ...more } });
  stops.push(() => listener.stop());
  return { listener, ...(await listener.listen()) };
}

async function http(more: Partial<HttpDeps>) {
  const made = await createHttp({
    ...deps,
    authenticate: async () => {
      throw new Fault('unauthenticated', 'identity.token', 'the token is not valid');
    },
    authorize: allowAll,
    health: {},
    ...more,
  });
  stops.push(() => made.stop());
  return made;
}

const saying = (text: string) => (_request: IncomingMessage, response: ServerResponse) => {
  response.end(text);
  return true;
};
const textOf = async (url: string): Promise<string> => (await fetch(url)).text();

describe('a listener', () => {
  it('answers 503 with a hint while nothing is attached', async () => {
    const { url } = await open();

    const response = await fetch(`${url}/api/health`);

    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.json()).toMatchObject({ code: 'http.not_ready' });
  });

  it('asks the part with the longest path first, and the next when it declines', async () => {
    const { listener, url } = await open();
    listener.attach({ below: '/', handle: saying('rest') });
    listener.attach({ below: '/v1/sys/', handle: saying('sys') });
    listener.attach({
      below: '/v1/',
      handle: (request, response) => request.url === '/v1/a' && saying('v1')(request, response),
    });

    expect(await textOf(`${url}/v1/sys/health`)).toBe('sys');
    expect(await textOf(`${url}/v1/a`)).toBe('v1');
    expect(await textOf(`${url}/v1/b`)).toBe('rest');
    expect(await textOf(`${url}/v1`)).toBe('rest');
  });

  it('detaches when what is in flight is answered, and serves others on the same connection', async () => {
    const { listener, url, port } = await open();
    let finish: (() => void) | undefined;
    const part = listener.attach({
      below: '/',
      handle: (_request, response) => {
        finish = () => response.end('done');
        return true;
      },
    });
    listener.attach({ below: '/v1/', handle: saying('v1') });
    const inFlight = textOf(`${url}/slow`);
    while (finish === undefined) await sleep(1);

    let detached = false;
    const leaving = part.detach().then(() => {
      detached = true;
    });
    const refused = await fetch(`${url}/other`);
    const alive = await textOf(`http://127.0.0.1:${port}/v1/x`);

    expect(refused.status).toBe(503);
    expect(alive).toBe('v1');
    expect(detached).toBe(false);
    finish();
    await leaving;
    expect(await inFlight).toBe('done');
    listener.attach({ below: '/', handle: saying('again') });
    expect(await textOf(`${url}/slow`)).toBe('again');
  });

  it('cuts off what a detached part does not answer within the grace', async () => {
    const { listener, url } = await open({ graceSeconds: 0.2 });
    const part = listener.attach({ below: '/', handle: () => true });
    const inFlight = fetch(`${url}/never`).catch(() => 'cut');
    await sleep(50);

    await part.detach();

    expect(await inFlight).toBe('cut');
  });

  it('answers 500 when a part throws, and lives on', async () => {
    const { listener, url } = await open();
    listener.attach({
      below: '/v1/',
      handle: () => {
        throw new Error('a mistake');
      },
    });

    expect((await fetch(`${url}/v1/x`)).status).toBe(500);
    expect((await fetch(`${url}/v1/x`)).status).toBe(500);
  });

  it('refuses connections beyond its limit', async () => {
    const { listener, port } = await open({ maxConnections: 1 });
    listener.attach({ below: '/', handle: saying('ok') });
    const first = await rawClient(port);
    await first.send('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await first.until('200 OK');

    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
  });

  it('names the port that another program has', async () => {
    const { port } = await open();
    const second = createListener({ ...deps, config: { ...config, port } });

    await expect(second.listen()).rejects.toMatchObject({ code: 'platform.listen' });
  });
});

describe('the stop of a listener', () => {
  it('finishes every part, closes idle connections at once, and tells the others that they end', async () => {
    const recorder = await openRecorder({}, 'by hand');
    const idle = await rawClient(recorder.port);
    const silent = await rawClient(recorder.port);
    const busy = await rawClient(recorder.port);
    await idle.send('GET /i HTTP/1.1\r\nhost: x\r\n\r\n');
    while (recorder.waiting.length === 0) await sleep(1);
    recorder.waiting.shift()?.();
    await idle.until('GET /i');
    await busy.send('LIST /v1/b HTTP/1.1\r\nhost: x\r\n\r\n');
    while (recorder.waiting.length === 0) await sleep(1);

    const started = Date.now();
    const stopped = recorder.listener.stop();
    await idle.ended();
    await silent.ended();
    expect(Date.now() - started).toBeLessThan(1000);
    recorder.waiting.shift()?.();
    const answer = await busy.ended();
    await stopped;

    expect(answer).toMatch(/connection: close[\s\S]*LIST \/v1\/b/i);
  });

  it('refuses a request that comes on a connection in use', async () => {
    const recorder = await openRecorder({}, 'by hand');
    const client = await rawClient(recorder.port);
    await client.send('GET /a HTTP/1.1\r\nhost: x\r\n\r\n');
    while (recorder.waiting.length === 0) await sleep(1);

    const stopped = recorder.listener.stop();
    await client.send('GET /b HTTP/1.1\r\nhost: x\r\n\r\n');
    recorder.waiting.shift()?.();
    await client.ended();
    await stopped;

    expect(recorder.seen.map(({ path }) => path)).toEqual(['/a']);
  });

  it('cuts after the grace, also connections that never said anything', async () => {
    const recorder = await openRecorder({ graceSeconds: 0.2 }, 'by hand');
    const client = await rawClient(recorder.port);
    await client.send('POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n1');

    const started = Date.now();
    await recorder.listener.stop();

    expect(Date.now() - started).toBeLessThan(1500);
    await client.ended();
  });
});

describe('the native application on a listener', () => {
  it('lets a fast handler see what is below /v1/ first, LIST included', async () => {
    const made = await http({
      fast: (request, response) =>
        request.url?.startsWith('/v1/fast') === true && saying(`${request.method}`)(request, response),
    });
    const { url, port } = await made.listen();
    const client = await rawClient(port);

    await client.send('LIST /v1/fast HTTP/1.1\r\nhost: x\r\n\r\n');

    expect(await client.until('LIST')).toMatch(/200 OK[\s\S]*LIST$/);
    expect((await fetch(`${url}/v1/slow`)).status).toBe(404);
    expect((await fetch(`${url}/api/health`)).status).toBe(200);
  });

  it('does not take LIST for GET', async () => {
    const made = await http({});
    const { port } = await made.listen();
    const client = await rawClient(port);

    await client.send('LIST /api/health HTTP/1.1\r\nhost: x\r\n\r\n');

    expect(await client.until('http.not_found')).toMatch(/^HTTP\/1.1 404[\s\S]*http\.not_found/);
  });

  it('comes to a listener that already answers, and leaves it alive', async () => {
    const { listener, url } = await open();
    listener.attach({ below: '/v1/sys/', handle: saying('sealed') });
    const made = await http({ listener });
    expect((await fetch(`${url}/api/health`)).status).toBe(503);

    expect((await made.listen()).url).toBe(url);
    expect((await fetch(`${url}/api/health`)).status).toBe(200);
    expect(await textOf(`${url}/v1/sys/health`)).toBe('sealed');
    await made.stop();

    expect((await fetch(`${url}/api/health`)).status).toBe(503);
    expect(await textOf(`${url}/v1/sys/health`)).toBe('sealed');
    const again = await http({ listener });
    await again.listen();
    expect((await fetch(`${url}/api/health`)).status).toBe(200);
  });
});
