import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { countingIds, silentLog } from '../../../../test-support/fakes.ts';
import { headerFields } from './answer-bytes.ts';
import { createListener, type Listener } from './listener.ts';
import type { Part } from './parts.ts';
import type { QuickExchange } from './quick-exchange.ts';
import { openRecorder, type Recorder, rawClient } from './raw.fixture.ts';
import { get, list, post } from './streams.fixture.ts';

const stops: Array<() => Promise<void>> = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function record(...how: Parameters<typeof openRecorder>): Promise<Recorder> {
  const recorder = await openRecorder(how[0], how[1], 'both');
  stops.push(async () => {
    for (const answer of recorder.waiting) answer();
    await recorder.listener.stop();
  });
  return recorder;
}

async function open(part: Part): Promise<{ port: number; listener: Listener }> {
  const config = { host: '127.0.0.1', port: 0, graceSeconds: 0.3, maxConnections: 10 };
  const listener = createListener({ log: silentLog, ids: countingIds(), config });
  stops.push(() => listener.stop());
  listener.attach(part);
  return { listener, port: (await listener.listen()).port };
}

const fields = headerFields({ 'content-type': 'text/plain' });
const never = (): boolean => {
  throw new Error('expected no request to come by Node');
};
/** Answers every quick request so, and no other. */
const answering = (status: () => number, body?: Buffer): Part => ({
  below: '/',
  handle: never,
  quick: (exchange) => {
    exchange.answer(status(), fields, body);
    return true;
  },
});
const paths = ({ seen }: Recorder): string[] => seen.map(({ method, path }) => `${method} ${path}`);

async function nextOf(recorder: Recorder): Promise<() => void> {
  const giveUp = Date.now() + 3000;
  while (recorder.waiting.length === 0 && Date.now() < giveUp) await sleep(1);
  return recorder.waiting.shift() ?? never;
}

describe('a request that is read without Node', () => {
  it('is answered as Node answers', async () => {
    const part: Part = {
      below: '/',
      handle: (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 2 }).end('ok');
        return true;
      },
      quick: (exchange) => {
        exchange.answer(200, fields, Buffer.from('ok'));
        return true;
      },
    };
    const { port } = await open(part);
    const client = await rawClient(port);

    await client.send(get);
    const quick = (await client.until('ok')).replace(/Date: .*/, '');
    await client.send(get.slice(0, 9));
    await client.send(get.slice(9));
    const node = (await client.until(/ok[\s\S]*ok/)).replaceAll(/Date: .*/g, '').slice(quick.length);

    expect(quick).toBe(node);
    expect(quick).toContain('\r\nConnection: keep-alive\r\n');
  });

  it('is answered with no body, and says so unless the status does', async () => {
    let status = 404;
    const { port } = await open(answering(() => status));
    const client = await rawClient(port);

    await client.send(get);
    expect(await client.until('404')).toContain('content-length: 0');
    status = 204;
    await client.send(list);
    expect(await client.until('204')).not.toMatch(/204[\s\S]*content-length/i);
  });

  it.each([204, 304])('has no body behind %i that could be read as another answer', async (status) => {
    const body = Buffer.from('HTTP/1.1 200 OK');
    const { port } = await open(answering(() => status, body));
    const client = await rawClient(port);

    await client.send(get);
    const answer = await client.until('\r\n\r\n');

    expect(answer).toMatch(/\r\n\r\n$/);
    expect(answer).not.toContain('200 OK');
    expect(body).toEqual(Buffer.alloc(body.length));
  });

  it.each([0, 100, 199, 600, 200.5])('has no status %d', async (status) => {
    const { port } = await open(answering(() => status));
    const client = await rawClient(port);

    await client.send(get);

    expect(await client.ended()).toMatch(/^(HTTP\/1\.1 500|$)/);
  });

  it('leaves nothing of its answer in memory', async () => {
    const body = Buffer.from('a secret');
    const { port } = await open({
      below: '/',
      handle: never,
      quick: (exchange) => {
        exchange.answer(200, fields, body);
        return true;
      },
    });
    const client = await rawClient(port);

    await client.send(get);

    expect(await client.until('a secret')).toContain('a secret');
    expect(body).toEqual(Buffer.alloc(body.length));
  });

  it('goes to Node when the part declines, or is none that takes such', async () => {
    const { port, listener } = await open({
      below: '/',
      handle: (_request, response) => response.end('by Node') !== undefined,
      quick: () => false,
    });
    listener.attach({ below: '/v1/a', handle: (_request, response) => response.end('LIST') !== undefined });
    const client = await rawClient(port);

    await client.send(post('{}'));
    expect(await client.until('by Node')).toContain('by Node');
    await client.send(list);
    expect(await client.until('LIST')).toContain('LIST');
  });

  it('is answered with 500 and the end when the part throws', async () => {
    const { port } = await open({
      below: '/',
      handle: never,
      quick: () => {
        throw new Error('a mistake');
      },
    });
    const client = await rawClient(port);

    await client.send(get);

    expect(await client.ended()).toMatch(/^HTTP\/1\.1 500[\s\S]*Connection: close/);
  });

  it('has one answer', async () => {
    let second: unknown;
    const { port } = await open({
      below: '/',
      handle: never,
      quick: (exchange) => {
        exchange.answer(200, fields, Buffer.from('first'));
        try {
          exchange.answer(200, fields, Buffer.from('second'));
        } catch (error) {
          second = error;
        }
        return true;
      },
    });
    const client = await rawClient(port);

    await client.send(get);

    expect(await client.until('first')).not.toContain('second');
    expect(second).toBeInstanceOf(Error);
  });
});

describe('fields of an answer', () => {
  it.each([
    [{ 'x-a': 'b\r\nset-cookie: c' }],
    [{ 'x-a\r\n': 'b' }],
    [{ 'x a': 'b' }],
    [{ 'x-a': '\u2028' }],
    [{ 'Content-Length': '0' }],
    [{ connection: 'close' }],
    [{ 'transfer-encoding': 'chunked' }],
  ])('cannot be %j', (bad) => {
    expect(() => headerFields(bad)).toThrow();
  });
});

describe('what comes before the answer', () => {
  it('waits, and answers keep the order of requests, whoever reads them', async () => {
    const test = await record({}, 'by hand');
    const client = await rawClient(test.port);

    await client.send(get);
    client.socket.write(list + post('{}'));
    await sleep(20);
    expect(paths(test)).toEqual(['GET /v1/g']);
    (await nextOf(test))();
    await client.until('GET /v1/g');
    (await nextOf(test))();
    (await nextOf(test))();

    expect(await client.until('POST /v1/p')).toMatch(/GET \/v1\/g[\s\S]*LIST \/v1\/a[\s\S]*POST \/v1\/p/);
  });

  it('waits behind one that Node read, too', async () => {
    const test = await record({}, 'by hand');
    const client = await rawClient(test.port);

    await client.send(get.slice(0, 9));
    await client.send(get.slice(9));
    await client.send(post('{}'));
    while (test.waiting.length < 2) await sleep(1);
    test.waiting.pop()?.();
    await sleep(20);
    expect(client.answer()).toBe('');
    (await nextOf(test))();

    expect(await client.until('POST')).toMatch(/GET \/v1\/g[\s\S]*POST \/v1\/p/);
    expect(test.quick()).toBe(0);
  });

  it('is not read any further, and nothing of it is lost', async () => {
    const test = await record({}, 'by hand');
    const client = await rawClient(test.port);
    const body = 'b'.repeat(50_000);
    const many = 400;

    await client.send(get);
    client.socket.write(post(body).repeat(many));
    await sleep(200);
    // What a socket reads at once, and no more.
    expect(client.readBytes()).toBeLessThan(200_000);
    for (let answered = 0; answered <= many; answered += 1) (await nextOf(test))();

    expect(test.seen.length).toBe(many + 1);
    expect(test.seen.slice(1).every((one) => one.body === body)).toBe(true);
  });

  it('waits for a caller who reads slowly', async () => {
    let taken = 0;
    const { port } = await open({
      below: '/',
      handle: never,
      quick: (exchange) => {
        taken += 1;
        exchange.answer(200, fields, Buffer.alloc(16 * 1024 * 1024, 'x'));
        return true;
      },
    });
    const client = await rawClient(port);
    client.socket.pause();

    await client.send(get);
    client.socket.write(get);
    await sleep(200);
    expect(taken).toBe(1);
    client.socket.resume();
    while (taken < 2) await sleep(5);
  });
});

describe('a caller who goes', () => {
  it.each(['end', 'destroy'] as const)('before the answer (%s) leaves nothing open', async (how) => {
    const test = await record({}, 'by hand');
    const client = await rawClient(test.port);

    await client.send(get);
    const answer = await nextOf(test);
    client.socket[how]();
    await client.ended();
    await sleep(20);
    answer();
    const started = Date.now();
    await test.listener.stop();

    expect(Date.now() - started).toBeLessThan(500);
    expect(client.answer()).toBe('');
  });

  it('with the answer unread leaves nothing open', async () => {
    const { port, listener } = await open({
      below: '/',
      handle: never,
      quick: (exchange) => {
        exchange.answer(200, fields, Buffer.alloc(16 * 1024 * 1024, 'x'));
        return true;
      },
    });
    const client = await rawClient(port);
    client.socket.pause();
    await client.send(get);
    client.socket.destroy();
    await sleep(50);

    const started = Date.now();
    await listener.stop();

    expect(Date.now() - started).toBeLessThan(250);
  });
});

describe('the clocks of a connection', () => {
  it('do not count the time for a head while requests are read without Node', async () => {
    const test = await record({ headSeconds: 0.3 });
    const client = await rawClient(test.port);

    for (let count = 1; count <= 5; count += 1) {
      await client.send(get);
      expect(await client.until(new RegExp(`(200 OK[\\s\\S]*){${count}}`))).toContain('200 OK');
      await sleep(200);
    }
    expect(test.quick()).toBe(5);
    // And the socket is Node's as before.
    await client.send(get + get);
    await client.until(/(200 OK[\s\S]*){7}/);

    expect(test.seen.length).toBe(7);
  });

  it.each(['GET /v1/', 'LI', 'POST /v1/p HTTP/1.1\r\n'])(
    'count it for a head that begins behind such a request: %j',
    async (beginning) => {
      const test = await record({ headSeconds: 0.3 });
      const client = await rawClient(test.port);

      for (let count = 0; count < 3; count += 1) {
        await client.send(get);
        await sleep(200);
      }
      const started = Date.now();
      await client.send(beginning);
      await client.ended(3);

      expect(Date.now() - started).toBeGreaterThan(200);
      expect(Date.now() - started).toBeLessThan(2500);
    },
  );

  it('close it when it is idle, and not while an answer is made', async () => {
    const test = await record({ idleSeconds: 0.3 }, 'by hand');
    const client = await rawClient(test.port);

    await client.send(get);
    const answer = await nextOf(test);
    await sleep(700);
    expect(client.socket.destroyed).toBe(false);
    answer();
    await client.until('200 OK');
    const started = Date.now();
    await client.ended(3);

    expect(Date.now() - started).toBeLessThan(2500);
  });
});

describe('the stop', () => {
  it.each([
    ['is all that came', [get]],
    ['follows one that Node read', [get.slice(0, 5), get.slice(5), get]],
  ])('waits for a quick answer, which says that it is the last: it %s', async (_what, pieces) => {
    const test = await record({ graceSeconds: 2 }, 'by hand');
    const client = await rawClient(test.port);
    const answers = pieces.length === 1 ? 1 : 2;

    for (const piece of pieces) {
      await client.send(piece);
      if (piece === pieces[1]) {
        (await nextOf(test))();
        await client.until('200 OK');
      }
    }
    const answer = await nextOf(test);
    const stopped = test.listener.stop();
    client.socket.write(list);
    await sleep(100);
    expect(client.socket.destroyed).toBe(false);
    answer();
    const all = await client.ended();
    await stopped;

    expect(test.quick()).toBe(1);
    expect(all.match(/200 OK/g)).toHaveLength(answers);
    expect(all).toMatch(/Connection: close\r\n\r\nGET \/v1\/g$/);
    expect(paths(test)).not.toContain('LIST /v1/a?b=c');
  });

  it('cuts one that does not come within the grace', async () => {
    const { port, listener } = await open({ below: '/', handle: never, quick: () => true });
    const client = await rawClient(port);
    await client.send(get);

    const started = Date.now();
    await listener.stop();

    expect(Date.now() - started).toBeLessThan(1500);
    expect(await client.ended()).toBe('');
  });

  it('of a part waits for what it took, and cuts after the grace', async () => {
    const { port, listener } = await open({ below: '/other', handle: never });
    const held: QuickExchange[] = [];
    const part = listener.attach({
      below: '/v1/',
      handle: never,
      quick: (exchange) => held.push(exchange) > 0,
    });
    const [first, second] = [await rawClient(port), await rawClient(port)];
    await first.send(get);
    await second.send(get);

    let detached = false;
    const leaving = part.detach().then(() => {
      detached = true;
    });
    held[0]?.answer(200, fields, Buffer.from('done'));
    await first.until('done');
    expect(detached).toBe(false);
    await leaving;

    expect(await second.ended()).toBe('');
    await first.send(get);
    expect(await first.until('503')).toContain('http.not_ready');
  });
});
