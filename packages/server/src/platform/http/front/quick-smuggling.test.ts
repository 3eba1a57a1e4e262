import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRecorder, type Recorder, rawClient, type Seen } from './raw.fixture.ts';
import { readRequests } from './reference.fixture.ts';
import {
  anyDamage,
  cutAt,
  damaged,
  get,
  list,
  oneByOne,
  positions,
  post,
  request,
} from './streams.fixture.ts';

let both: Recorder;
let later: Recorder;
let alone: Recorder;
beforeAll(async () => {
  both = await openRecorder({}, 'at once', 'both');
  later = await openRecorder({}, 'later', 'both');
  alone = await openRecorder();
});
afterAll(async () => {
  for (const recorder of [both, later, alone]) await recorder.listener.stop();
});

interface Met {
  readonly seen: Seen[];
  /** Status lines, in order. */
  readonly said: string[];
}

/** What the handlers see of a stream that comes in these packets, and what comes back. */
async function meets(recorder: Recorder, pieces: readonly string[]): Promise<Met> {
  recorder.seen.length = 0;
  const client = await rawClient(recorder.port);
  for (const piece of pieces) await client.send(piece);
  client.socket.end();
  const answer = await client.ended();
  return { seen: [...recorder.seen], said: answer.match(/HTTP\/1\.1 \d+/g) ?? [] };
}

/** The newest may have come without all of its body before an error or the end, sooner in one way than in the other. */
function withoutNewestBody(seen: readonly Seen[]): Seen[] {
  return seen.map((one, index) => (index === seen.length - 1 ? { ...one, body: '' } : one));
}

/** Packets that are whole requests, mixed with such that begin and end anywhere. */
function packetsOf(one: string, cuts: readonly number[]): string[] {
  return cuts.length > 6 ? cutAt(one, cuts) : [one];
}

describe('requests that wait for their answers', () => {
  it('are seen as they were sent, whoever reads each of them', async () => {
    const before = later.quick();
    let sentRequests = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(request, positions), { minLength: 1, maxLength: 6 }),
        async (sent) => {
          sentRequests += sent.length;
          const seen = await oneByOne(
            later,
            sent.map(([one, cuts]) => packetsOf(one, cuts)),
          );

          expect(seen).toEqual(readRequests(sent.map(([one]) => one).join('')));
        },
      ),
      { numRuns: 150 },
    );
    // Otherwise the property would say nothing of two readers on one connection.
    expect(later.quick() - before).toBeGreaterThan(50);
    expect(later.quick() - before).toBeLessThan(sentRequests - 50);
  });
});

describe('any packets', () => {
  it('show handlers what they show when Node reads everything', async () => {
    const before = both.quick();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(request, positions), { maxLength: 5 }), async (sent) => {
        const pieces = sent.flatMap(([one, cuts]) => packetsOf(one, cuts));

        const [own, node] = [await meets(both, pieces), await meets(alone, pieces)];

        expect(withoutNewestBody(own.seen)).toEqual(withoutNewestBody(node.seen));
      }),
      { numRuns: 200 },
    );
    expect(both.quick() - before).toBeGreaterThan(50);
  });

  it('do so when they are damaged', async () => {
    const before = both.quick();
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(request, fc.option(anyDamage, { freq: 1 }), fc.boolean()), {
          minLength: 1,
          maxLength: 5,
        }),
        async (sent) => {
          const pieces = sent
            .map(([one, damage]) => (damage === null ? one : damaged(one, damage)))
            .flatMap((one, index) => (sent[index]?.[2] === true ? cutAt(one, [one.length >> 1]) : [one]));

          const [own, node] = [await meets(both, pieces), await meets(alone, pieces)];

          accepted += own.seen.length;
          expect(withoutNewestBody(own.seen)).toEqual(withoutNewestBody(node.seen));
        },
      ),
      { numRuns: 400 },
    );
    const quick = both.quick() - before;
    expect(quick).toBeGreaterThan(50);
    expect(accepted - quick).toBeGreaterThan(50);
  });

  it.each([
    ['a header', `${post('{}')}GET /v1/b HTTP/1.1\r\nhost: x\r\nx-note: `],
    ['a head', `${get}GET /v1/b HTTP/1.1\r\nhost: x\r\n`],
    ['a path', `${post('{}')}GET /v1/b`],
    ['a line end', `${get}GET /v1/b HTTP/1.1\r\nhost: x\r`],
    ['a body', `POST /v1/p HTTP/1.1\r\nhost: x\r\ncontent-length: ${get.length + list.length + 1}\r\n\r\n.`],
    [
      'a chunk',
      `PUT /v1/c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${get.length.toString(16)}\r\n`,
    ],
    ['trailers', 'PUT /v1/c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-t: '],
    [
      'an answer of 100',
      'POST /v1/p HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 900\r\n\r\n',
    ],
  ])('that look like requests are none inside of %s', async (_what, beginning) => {
    const before = both.quick();
    const pieces = [beginning, get, list, get];

    const [own, node] = [await meets(both, pieces), await meets(alone, pieces)];

    expect(withoutNewestBody(own.seen)).toEqual(withoutNewestBody(node.seen));
    // The one behind `beginning` is not among them.
    expect(both.quick() - before).toBeLessThan(3);
  });
});
