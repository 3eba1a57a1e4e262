import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { openRecorder, type Recorder, rawClient } from './raw.fixture.ts';

let recorder: Recorder | undefined;
afterEach(async () => {
  for (const answer of recorder?.waiting ?? []) answer();
  await recorder?.listener.stop();
  recorder = undefined;
});

async function open(...how: Parameters<typeof openRecorder>): Promise<Recorder> {
  recorder = await openRecorder(...how);
  return recorder;
}

const lines = (...all: string[]): string => all.join('\r\n');
const list = lines('LIST /v1/l HTTP/1.1', 'host: x', '', '');
const get = lines('GET /v1/g HTTP/1.1', 'host: x', '', '');
const post = lines('POST /v1/p HTTP/1.1', 'host: x', 'content-length: 2', '', '{}');
const methods = ({ seen }: Recorder): string[] => seen.map(({ method, path }) => `${method} ${path}`);

describe('LIST where a message may not begin', () => {
  it.each([
    ['a header', `${post}GET /v1/b HTTP/1.1\r\nhost: x\r\nx-note: `],
    ['a header after a head', `${get}GET /v1/b HTTP/1.1\r\nhost: x\r\nx-note: `],
    ['a path', `${post}GET /v1/b`],
    ['a method', `${post}UN`],
    ['a half line end', `${post}GET /v1/b HTTP/1.1\r\nhost: x\r`],
  ])('never lends its verb to a request that began before it, in %s', async (_what, before) => {
    const test = await open();
    const client = await rawClient(test.port);

    await client.send(before);
    await client.until('200 OK');
    await client.send(list);
    await client.send(get);
    client.socket.end();
    await client.ended();

    expect(methods(test).length).toBeGreaterThan(0);
    expect(methods(test).join(' ')).not.toContain('LIST');
    expect(methods(test)).not.toContain('GET /v1/l');
    expect(
      methods(test)
        .slice(1)
        .every((one) => one === 'GET /v1/b'),
    ).toBe(true);
  });

  it('is not a verb in the middle of a body that comes in packets', async () => {
    const test = await open();
    const client = await rawClient(test.port);

    await client.send(
      lines('POST /v1/p HTTP/1.1', 'host: x', `content-length: ${list.length + 2}`, '', 'ab'),
    );
    await client.send(list);
    await client.until('200 OK');

    expect(test.seen).toEqual([{ method: 'POST', path: '/v1/p', body: `ab${list}` }]);
  });
});

describe('LIST behind a request without an answer', () => {
  it('waits for it when it is a packet of its own', async () => {
    const test = await open({}, 'by hand');
    const client = await rawClient(test.port);

    await client.send(post);
    await client.send(list.slice(0, 3));
    await client.send(list.slice(3, 9));
    await client.send(list.slice(9));
    expect(methods(test)).toEqual(['POST /v1/p']);
    test.waiting.shift()?.();
    await client.until('POST /v1/p');
    while (test.waiting.length === 0) await sleep(1);
    test.waiting.shift()?.();

    expect(await client.until('LIST /v1/l')).toMatch(/POST \/v1\/p[\s\S]*LIST \/v1\/l/);
    expect(methods(test)).toEqual(['POST /v1/p', 'LIST /v1/l']);
  });

  it('is refused by an end of the connection when it shares its packet, and never by a wrong answer', async () => {
    const test = await open({}, 'by hand');
    const client = await rawClient(test.port);

    await client.send(get + list);

    expect(await client.ended()).toBe('');
    expect(methods(test)).toEqual(['GET /v1/g']);
  });

  it('is not held beyond a head', async () => {
    const test = await open({}, 'by hand');
    const client = await rawClient(test.port);

    await client.send(get);
    await client.send(`LIST /${'x'.repeat(20_000)}`);

    expect(await client.ended()).toBe('');
  });

  it('is gone with a caller who goes away', async () => {
    const test = await open({}, 'by hand');
    const client = await rawClient(test.port);

    await client.send(get);
    await client.send(list);
    client.socket.end();
    await client.ended();
    await sleep(20);

    expect(methods(test)).toEqual(['GET /v1/g']);
  });
});

describe('a LIST that Node answers itself', () => {
  it('does not leave its verb to the next request', async () => {
    const test = await open();
    const client = await rawClient(test.port);

    await client.send(lines('LIST /v1/l HTTP/1.1', 'host: x', 'expect: miracles', '', ''));
    await client.until('417');
    await client.send(get);
    await client.until('200 OK');

    expect(methods(test)).toEqual(['GET /v1/g']);
  });

  it('is refused without a host', async () => {
    const test = await open();
    const client = await rawClient(test.port);

    await client.send('LIST /v1/l HTTP/1.1\r\n\r\n');

    expect(await client.ended()).toMatch(/^HTTP\/1.1 400/);
    expect(methods(test)).toEqual([]);
  });

  it('is refused when it is too long', async () => {
    const test = await open();
    const client = await rawClient(test.port);

    await client.send(`LIST /${'x'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`);

    expect(await client.ended()).toMatch(/^HTTP\/1.1 431/);
    expect(methods(test)).toEqual([]);
  });
});

describe('other ways of HTTP', () => {
  it('continues a LIST with a body', async () => {
    const test = await open();
    const client = await rawClient(test.port);

    await client.send(
      lines('LIST /v1/l HTTP/1.1', 'host: x', 'expect: 100-continue', 'content-length: 5', '', ''),
    );
    await client.until('100 Continue');
    await client.send('LIST ');
    await client.until('200 OK');
    await client.send(list);
    await client.until('LIST /v1/l');

    expect(test.seen).toEqual([
      { method: 'LIST', path: '/v1/l', body: 'LIST ' },
      { method: 'LIST', path: '/v1/l', body: '' },
    ]);
  });

  it('upgrades nothing', async () => {
    const test = await open();
    const client = await rawClient(test.port);

    await client.send(
      lines('LIST /v1/l HTTP/1.1', 'host: x', 'connection: upgrade', 'upgrade: websocket', '', ''),
    );
    await client.until('200 OK');
    await client.send(list);
    await client.until(/200 OK[\s\S]*200 OK/);

    expect(methods(test)).toEqual(['LIST /v1/l', 'LIST /v1/l']);
  });

  it('gives no byte behind CONNECT to a parser that may already serve another connection', async () => {
    const test = await open();
    const client = await rawClient(test.port);
    const other = await rawClient(test.port);

    await other.send('GET /v1/g HTTP/1.1\r\nhost: ');
    await client.send(`CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n${list}`);
    await client.send(list);
    const answer = await client.ended();
    await other.send('x\r\n\r\n');
    await other.until('200 OK');

    expect(answer).toBe('');
    expect(methods(test)).toEqual(['GET /v1/g']);
  });

  it('knows no other new verbs, nor these in another case', async () => {
    const test = await open();
    for (const verb of ['list', 'List', 'LISTS', 'SCANX', 'RENEW', 'LIS']) {
      const client = await rawClient(test.port);

      await client.send(`${verb} /v1/l HTTP/1.1\r\nhost: x\r\n\r\n`);

      expect(await client.ended()).toMatch(/^HTTP\/1.1 400/);
    }
    expect(methods(test)).toEqual([]);
  });
});

describe('slow callers', () => {
  it.each(['', 'L', 'LIS', 'LIST', 'LIST /v1/l HT', 'S', `${get}LI`, `${post}|SCAN`, `${get}|L`])(
    'lose the connection after the time for a head: %j',
    async (beginning) => {
      const test = await open({ headSeconds: 0.3 });
      const client = await rawClient(test.port);
      const started = Date.now();

      for (const piece of beginning.split('|')) {
        if (piece !== '') await client.send(piece);
        if (piece.includes('HTTP/1.1\r\n')) await client.until('200 OK');
      }
      await client.ended(3);

      expect(Date.now() - started).toBeLessThan(2500);
      expect(Date.now() - started).toBeGreaterThan(200);
    },
  );

  it('may let the letters of a verb wait as long as the answer before them', async () => {
    const test = await open({ headSeconds: 0.2 }, 'by hand');
    const client = await rawClient(test.port);

    await client.send(get);
    await client.send('LI');
    await sleep(500);
    test.waiting.shift()?.();
    await client.send('ST /v1/l HTTP/1.1\r\nhost: x\r\n\r\n');
    while (test.waiting.length === 0) await sleep(1);

    expect(methods(test)).toEqual(['GET /v1/g', 'LIST /v1/l']);
  });

  it('lose an idle connection, and no other', async () => {
    const test = await open({ idleSeconds: 0.4 }, 'by hand');
    const idle = await rawClient(test.port);
    const busy = await rawClient(test.port);
    await idle.send(get);
    test.waiting.shift()?.();
    await idle.until('200 OK');
    await busy.send(get);

    await idle.ended(3);
    await sleep(500);
    test.waiting.shift()?.();

    expect(idle.socket.destroyed).toBe(true);
    expect(await busy.until('200 OK')).toContain('200 OK');
  });
});

describe('answers that nobody reads', () => {
  it('stop the reading of pipelined requests, and nothing is lost when it goes on', async () => {
    const test = await open();
    const client = await rawClient(test.port);
    const path = `/v1/${'p'.repeat(8000)}`;
    client.socket.pause();

    const many = Array.from({ length: 800 }, (_, index) =>
      index % 2 === 0
        ? `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`
        : `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n1`,
    );
    client.socket.write(many.join(''));
    await sleep(200);
    expect(test.seen.length).toBeLessThan(800);
    client.socket.resume();
    while (test.seen.length < 800) await sleep(5);

    expect(test.seen.map(({ method }) => method)).toEqual(many.map((one) => one.slice(0, 4).trim()));
  });
});
