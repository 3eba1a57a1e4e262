import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRecorder, type Recorder, rawClient, recording, type Seen } from './raw.fixture.ts';
import { readRequests } from './reference.fixture.ts';
import {
  anyDamage,
  body,
  chunked,
  cutAt,
  damaged,
  get,
  list,
  oneByOne,
  positions,
  post,
  request,
  trailers,
} from './streams.fixture.ts';

let atOnce: Recorder;
let later: Recorder;
beforeAll(async () => {
  atOnce = await openRecorder();
  later = await openRecorder({}, 'later');
});
afterAll(async () => {
  await atOnce.listener.stop();
  await later.listener.stop();
});

/** Sends one stream of bytes in the given pieces and gives what the handlers saw, in the order they saw it. */
async function seenOf(
  recorder: Recorder,
  pieces: readonly string[],
): Promise<{ seen: Seen[]; answer: string }> {
  recorder.seen.length = 0;
  const client = await rawClient(recorder.port);
  for (const piece of pieces) await client.send(piece);
  const expected = readRequests(pieces.join('')).length;
  await client.until(new RegExp(`(HTTP/1\\.1 [245][\\s\\S]*){${Math.max(expected, 1)}}`));
  client.socket.end();
  const answer = await client.ended();
  return { seen: [...recorder.seen], answer };
}

function expectPrefix(seen: readonly Seen[], of: readonly Seen[]): void {
  expect(seen).toEqual(of.slice(0, seen.length));
}

describe('LIST in pieces', () => {
  const positions = Array.from({ length: list.length - 1 }, (_, index) => index + 1);

  it('is one LIST, wherever it is cut in two', async () => {
    for (const position of positions) {
      const seen = await oneByOne(atOnce, [[get], cutAt(list, [position]), [get]]);

      expect(seen.map(({ method }) => method)).toEqual(['GET', 'LIST', 'GET']);
    }
  });

  it.each([
    ['a GET', get],
    ['a body', post('{"a":1}')],
    ['a body that ends as a head does', post('LIST /v1/x HTTP/1.1\r\nhost: x\r\n\r\n')],
    ['a body of a beginning', post('LIST /')],
    ['chunks', chunked('LIST /v1/x HTTP/1.1\r\n\r\n', 'LIST ')],
    ['trailers', trailers('x-t')],
    ['SCAN', get.replace('GET', 'SCAN')],
  ])('follows %s, byte by byte', async (_what, before) => {
    const whole = [before, list, before];

    const seen = await oneByOne(
      atOnce,
      whole.map((request) => [...request]),
    );

    expect(seen).toEqual(readRequests(whole.join('')));
  });
});

describe('any sequence of requests, in any pieces', () => {
  it('is seen as it was sent when each waits for its answer', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(request, positions), { minLength: 1, maxLength: 6 }),
        async (sent) => {
          const seen = await oneByOne(
            later,
            sent.map(([one, cuts]) => cutAt(one, cuts)),
          );

          expect(seen).toEqual(readRequests(sent.map(([one]) => one).join('')));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('is seen from its beginning and never as another when they do not wait', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(request, { minLength: 2, maxLength: 6 }),
        positions,
        fc.boolean(),
        async (sent, cuts, waits) => {
          const whole = sent.join('');
          const reference = readRequests(whole);

          const { seen, answer } = await seenOf(waits ? later : atOnce, cutAt(whole, cuts));

          expectPrefix(seen.slice(0, -1), reference);
          // The newest may have come without all of its body.
          const newest = seen.at(-1);
          const told = reference[seen.length - 1];
          expect(newest).toMatchObject({ method: told?.method, path: told?.path });
          expect(told?.body.startsWith(newest?.body ?? '')).toBe(true);
          // What is not seen was refused, not lost: the connection was cut, or a 400 was the last word.
          if (seen.length === reference.length) expect(answer).not.toContain('HTTP/1.1 400');
        },
      ),
      { numRuns: 150 },
    );
  });

  it('is all seen, however it is cut, when it has neither LIST nor SCAN', async () => {
    const plain = fc.oneof(fc.constant(get), body.map(post), fc.constant(trailers('x-list')));
    await fc.assert(
      fc.asyncProperty(fc.array(plain, { minLength: 2, maxLength: 6 }), positions, async (sent, cuts) => {
        // A packet of a body or head that begins with the verb looks like one only where a message may begin.
        const whole = sent.join('');

        const { seen } = await seenOf(atOnce, cutAt(whole, cuts));

        expectPrefix(seen, readRequests(whole));
        expect(seen.length).toBe(sent.length);
      }),
      { numRuns: 100 },
    );
  });
});

describe('hostile bytes', () => {
  // LOCK and LINK are as long as LIST and SCAN, and Node's parser knows them: what plain Node makes of the same bytes
  // with these verbs is what the front has to make of the original, or less.
  let plain: Server;
  const plainSeen: Seen[] = [];
  beforeAll(async () => {
    plain = createServer({ requestTimeout: 0 }, recording(plainSeen, [], 'at once'));
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', () => resolve()));
  });
  afterAll(() => {
    plain.close();
  });
  const swap = (stream: string): string => stream.replaceAll('LIST', 'LOCK').replaceAll('SCAN', 'LINK');
  /** A body may end in the middle of a verb, where neither direction finds it. */
  const shape = (text: string): string => text.replaceAll(/[A-Z]/g, '*');
  const back = (stream: string): string => stream.replaceAll('LOCK', 'LIST').replaceAll('LINK', 'SCAN');

  async function plainSees(stream: string): Promise<Seen[]> {
    plainSeen.length = 0;
    const client = await rawClient((plain.address() as AddressInfo).port);
    await client.send(swap(stream));
    client.socket.end();
    await client.ended();
    return plainSeen.map((one) => ({ method: back(one.method), path: back(one.path), body: one.body }));
  }

  it('never become another request than plain Node reads', async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(request, { minLength: 1, maxLength: 4 }),
        anyDamage,
        positions,
        async (sent, mutations, cuts) => {
          const whole = damaged(sent.join(''), mutations);
          const reference = await plainSees(whole);

          atOnce.seen.length = 0;
          const client = await rawClient(atOnce.port);
          for (const piece of cutAt(whole, cuts)) await client.send(piece);
          client.socket.end();
          await client.ended();

          const seen = [...atOnce.seen];
          accepted += seen.length;
          expectPrefix(
            seen.map(({ method, path }) => ({ method, path, body: '' })),
            reference.map(({ method, path }) => ({ method, path, body: '' })),
          );
          // An error ends either connection before all of a body was handed on.
          for (const [index, one] of seen.entries()) {
            const [own, other] = [shape(one.body), shape(reference[index]?.body ?? '')];
            expect(other.startsWith(own) || own.startsWith(other)).toBe(true);
          }
        },
      ),
      { numRuns: 400 },
    );
    // Otherwise the property would say nothing.
    expect(accepted).toBeGreaterThan(100);
  });
});
