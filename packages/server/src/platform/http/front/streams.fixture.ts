import fc from 'fast-check';
import { type Recorder, rawClient, type Seen } from './raw.fixture.ts';

export const text = (...lines: string[]): string => lines.join('\r\n');
export const list = text('LIST /v1/a?b=c HTTP/1.1', 'host: x', '', '');
export const get = text('GET /v1/g HTTP/1.1', 'host: x', '', '');
export const post = (body: string): string =>
  text('POST /v1/p HTTP/1.1', 'host: x', `content-length: ${body.length}`, '', body);
export const chunked = (...chunks: string[]): string =>
  text(
    'PUT /v1/c HTTP/1.1',
    'host: x',
    'transfer-encoding: chunked',
    '',
    ...chunks.flatMap((chunk) => [chunk.length.toString(16), chunk]),
    '0',
    '',
    '',
  );
export const trailers = (name: string): string =>
  text(
    'PUT /v1/t HTTP/1.1',
    'host: x',
    'transfer-encoding: chunked',
    '',
    '1',
    'x',
    '0',
    `${name}: LIST /`,
    '',
    '',
  );

const word = fc.constantFrom(
  'LIST ',
  'SCAN ',
  'L',
  '\r\n',
  'LIST /v1/x HTTP/1.1\r\nhost: x\r\n\r\n',
  'GET ',
  '{"a":1}',
  ' ',
);
export const body = fc.array(word, { maxLength: 4 }).map((parts) => parts.join(''));
export const request = fc.oneof(
  fc.constant(list),
  fc.constant(list.replace('LIST', 'SCAN')),
  fc.constant(get),
  body.map(post),
  fc
    .array(
      body.filter((one) => one !== ''),
      { maxLength: 3 },
    )
    .map((chunks) => chunked(...chunks)),
  fc.constant(trailers('x-list')),
  body.map((one) => post(one).replace('POST', 'LIST')),
);
export const positions = fc.array(fc.nat(2000), { maxLength: 12 });

const mutation = fc.oneof(
  fc.constantFrom('\n', '\r', '\r\n', '\r\n\r\n', '\n\n', '\0', 'LIST ', 'SCAN ', ' ', 'L', ':', '0\r\n\r\n'),
  fc.constantFrom(
    'content-length: 5\r\n',
    'transfer-encoding: chunked\r\n',
    'Content-Length: 0\r\n',
    '\tx\r\n',
  ),
  fc.constantFrom(
    'LIST /v1/x HTTP/1.1\r\nhost: x\r\n\r\n',
    'LIST / HTTP/1.0\r\n\r\n',
    'LIST /\r\n',
    'UN',
    'M-',
  ),
);

/** Places in a stream, how much is removed there, and what is put in its place. */
export const anyDamage = fc.array(fc.tuple(fc.nat(2000), fc.nat(4), mutation), {
  minLength: 1,
  maxLength: 4,
});

export function damaged(
  stream: string,
  damage: ReadonlyArray<readonly [at: number, removed: number, inserted: string]>,
): string {
  let whole = stream;
  for (const [at, removed, inserted] of damage) {
    const place = at % whole.length;
    whole = whole.slice(0, place) + inserted + whole.slice(place + removed);
  }
  return whole;
}

export function cutAt(whole: string, positions: readonly number[]): string[] {
  const cuts = [...new Set(positions.map((one) => one % whole.length))].filter((one) => one > 0);
  const sorted = [0, ...cuts.sort((a, b) => a - b), whole.length];
  return sorted.slice(1).map((end, index) => whole.slice(sorted[index], end));
}

/** Like a client without pipelining: the next request only after the answer. */
export async function oneByOne(
  recorder: Recorder,
  requests: ReadonlyArray<readonly string[]>,
): Promise<Seen[]> {
  recorder.seen.length = 0;
  const client = await rawClient(recorder.port);
  for (const [index, pieces] of requests.entries()) {
    for (const piece of pieces) await client.send(piece);
    await client.until(new RegExp(`(HTTP/1\\.1 200 OK[\\s\\S]*){${index + 1}}`));
  }
  client.socket.destroy();
  return [...recorder.seen];
}
