import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createListener, type Listener } from '#platform';
import { countingIds, silentLog } from '../../../test-support/fakes.ts';
import type { Incoming } from '../request/incoming.ts';
import type { Pipeline } from '../request/pipeline.ts';
import type { SealControl } from '../sys/sealed.ts';
import { createHandler } from './handler.ts';

/** A handler on a listener of its own, which answers with what it was asked. */
interface Door {
  readonly listener: Listener;
  readonly seen: object[];
  /** The bodies of requests, as their memory is now. */
  readonly bodies: Buffer[];
  readonly answers: Buffer[];
  /** How many came without Node's parser. */
  quick: number;
  readonly client: Client;
}

const control = {
  facts: { clusterName: 'c', clusterId: 'i', version: '1', startedAt: 0 },
  now: () => 0,
  status: async () => ({ initialised: true, sealed: false }),
} as unknown as SealControl;

let both: Door;
let alone: Door;
beforeAll(async () => {
  [both, alone] = [await open(true), await open(false)];
});
afterAll(async () => {
  for (const { client, listener } of [both, alone]) {
    client.close();
    await listener.stop();
  }
});

async function open(isQuick: boolean): Promise<Door> {
  const seen: object[] = [];
  const bodies: Buffer[] = [];
  const answers: Buffer[] = [];
  const pipeline: Pipeline = {
    answer: async (request) => {
      seen.push(partsOf(request));
      bodies.push(request.bodyBytes);
      const body = Buffer.from(JSON.stringify({ path: request.path, body: request.body }));
      answers.push(body);
      const bare = request.method === 'DELETE';
      return {
        status: bare ? 204 : request.method === 'PATCH' ? 429 : 200,
        contentType: request.listing ? 'text/plain' : 'application/json',
        body: bare ? undefined : body,
        headers: request.method === 'PATCH' ? { 'retry-after': '1' } : {},
      };
    },
  };
  let count = 0;
  const { handle, quick } = createHandler({
    control,
    pipeline,
    log: silentLog,
    requestId: () => `r${count++}`,
    certificateOf: () => undefined,
  });
  const listener = createListener({
    log: silentLog,
    ids: countingIds(),
    config: { host: '127.0.0.1', port: 0, graceSeconds: 1, maxConnections: 100 },
  });
  listener.attach({
    below: '/v1/',
    handle,
    quick: (request) => {
      if (isQuick) door.quick += 1;
      return isQuick && quick(request);
    },
  });
  const { port } = await listener.listen();
  const door: Door = { listener, seen, bodies, answers, quick: 0, client: clientOf(port) };
  return door;
}

/** All that a request is, but for what is of one connection. */
function partsOf({ remotePort, bodyBytes, headers, query, ...rest }: Incoming): object {
  expect(remotePort).toBeGreaterThan(0);
  return { ...rest, query: { ...query }, headers: { ...headers }, bytes: bodyBytes.toString('latin1') };
}

interface Client {
  /** One request, and its answer without the date. On the connection of the last one, if that was kept. */
  ask(request: string): Promise<string>;
  close(): void;
}

function clientOf(port: number): Client {
  let socket: Socket | undefined;
  return {
    ask: async (request) => {
      socket ??= connect({ port, host: '127.0.0.1', noDelay: true });
      socket.write(request, 'latin1');
      let answer = '';
      while (!isWhole(answer)) answer += (await once(socket, 'data'))[0].toString('latin1');
      if (/^connection: close/im.test(answer)) socket = undefined;
      return answer.replace(/\r\nDate: .*/, '');
    },
    close: () => socket?.destroy(),
  };
}

function isWhole(answer: string): boolean {
  const end = answer.indexOf('\r\n\r\n');
  const length = Number(/content-length: (\d+)/i.exec(answer)?.[1] ?? 0);
  return end >= 0 && answer.length === end + 4 + length;
}

const withoutConnection = (answer: string): string => answer.replace(/\r\nconnection: .*/i, '');

const anyHeader = fc.constantFrom(
  'X-Vault-Token: hvs.a',
  'authorization: Bearer b',
  'X-Vault-Wrap-TTL: 5m',
  'X-Vault-Wrap-TTL: soon',
  'X-Vault-Namespace: root',
  'X-Vault-Namespace: other',
  'x-vault-request: true',
  'constructor: a',
  'X-Forwarded-For: 1.2.3.4, 5.6.7.8',
  'Cookie: a=b; c=d',
  'Connection: keep-alive',
  'accept: */*',
);
const anyRequest = fc
  .record({
    method: fc.constantFrom('GET', 'LIST', 'SCAN', 'POST', 'PUT', 'PATCH', 'DELETE'),
    path: fc.constantFrom(
      'secret/data/a',
      'secret/',
      'a/b%20c',
      'a//b',
      'a/../b',
      '',
      'sys/health',
      "it's/(a)",
    ),
    query: fc.constantFrom(
      '',
      '?',
      '?list=true',
      '?version=2',
      '?a=1&a=2',
      '?help',
      '?activecode=204',
      '?activecode=304',
    ),
    headers: fc.uniqueArray(anyHeader, {
      maxLength: 4,
      selector: (line) => line.split(':')[0]?.toLowerCase(),
    }),
    body: fc.constantFrom(
      '',
      '{}',
      '{"a":1}',
      '{"a":1,"a":2}',
      '[]',
      '{',
      '{"a":"\xc3\xa4"}',
      '\xff',
      ' ',
      `{"a":"${'x'.repeat(9000)}"}`,
    ),
  })
  .map(({ method, path, query, headers, body }) =>
    [
      `${method} /v1/${path}${query} HTTP/1.1`,
      'Host: 127.0.0.1',
      ...headers,
      ...(body === '' ? [] : [`Content-Length: ${body.length}`]),
      '',
      body,
    ].join('\r\n'),
  );

describe('a request, whichever way it came', () => {
  it('means the same and is answered by the same bytes', async () => {
    await fc.assert(
      fc.asyncProperty(anyRequest, async (request) => {
        const [one, other] = [await both.client.ask(request), await alone.client.ask(request)];

        expect(withoutConnection(one)).toBe(withoutConnection(other));
        // Refused before Node said that all of it is there.
        if (/connection: close/i.test(other)) expect(one).toMatch(/^HTTP\/1\.1 4/);
        else expect(one).toBe(other);
        expect(both.seen).toEqual(alone.seen);
      }),
      { numRuns: 600 },
    );
    // Otherwise there is one way only.
    expect(both.quick).toBeGreaterThan(500);
    expect(alone.quick).toBe(0);
    expect(both.seen.length).toBeGreaterThan(50);
  });

  it('leaves neither its body nor its answer in memory', async () => {
    await Promise.all(
      [both, alone].map(({ client }) =>
        client.ask('POST /v1/secret/data/a HTTP/1.1\r\nhost: x\r\ncontent-length: 7\r\n\r\n{"a":1}'),
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 20));

    for (const bytes of [both, alone].flatMap(({ bodies, answers }) => [...bodies, ...answers.slice(-1)]))
      expect(bytes.every((byte) => byte === 0)).toBe(true);
  });
});
