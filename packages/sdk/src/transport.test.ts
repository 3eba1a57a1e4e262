import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Fault } from '@sallyport/formats';
import { afterEach, describe, expect, it } from 'vitest';
import { bodyOf } from './answer.ts';
import { createTransport, path, type Transport } from './transport.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // a TCP server's address is always this
  return `http://127.0.0.1:${port}`;
}

async function transportTo(listener: RequestListener, timeoutMs = 5_000): Promise<Transport> {
  return createTransport({ address: await serve(listener), token: 'sp_secret', timeoutMs });
}

async function faultOf(promise: Promise<unknown>): Promise<Fault> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof Fault) return error;
  throw new Error(`expected a Fault, got ${String(error)}`);
}

describe('a request', () => {
  it('carries the token, the query without what is undefined, and a JSON body', async () => {
    const transport = await transportTo((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { authorization, 'content-type': type } = request.headers;
        response.end(
          JSON.stringify({ authorization, type, url: request.url, body: String(Buffer.concat(chunks)) }),
        );
      });
    });

    const seen = await transport.json('POST', '/api/x', {
      query: { limit: 2, follow: true, no: undefined },
      body: { a: 1 },
    });

    expect(seen).toEqual({
      authorization: 'Bearer sp_secret',
      type: 'application/json',
      url: '/api/x?limit=2&follow=true',
      body: '{"a":1}',
    });
  });

  it('keeps every value in its place in the path', () => {
    expect(path`/api/projects/${'a/../b?c#d'}/runs/${'..'}`).toBe('/api/projects/a%2F..%2Fb%3Fc%23d/runs/..');
  });

  it('gives undefined for an answer without content', async () => {
    const transport = await transportTo((_request, response) => response.writeHead(204).end());

    expect(await transport.json('DELETE', '/x')).toBeUndefined();
  });

  it.each(['ftp://127.0.0.1', 'nonsense', 'http://user:password@127.0.0.1', ''])(
    'refuses the address %j',
    (address) => {
      expect(() => createTransport({ address })).toThrowError(/expected an address such as/);
    },
  );
});

describe('a refusal', () => {
  it('becomes a Fault with code, detail, hint and request id of the problem', async () => {
    const transport = await transportTo((_request, response) => {
      response.writeHead(403, { 'content-type': 'application/problem+json' });
      response.end(
        JSON.stringify({
          code: 'http.denied',
          detail: 'not allowed',
          hint: 'ask an administrator',
          requestId: 'req_1',
          details: { current: 3 },
        }),
      );
    });

    const fault = await faultOf(transport.json('GET', '/x'));

    expect(fault).toMatchObject({
      kind: 'denied',
      code: 'http.denied',
      message: 'not allowed',
      hint: 'ask an administrator',
      details: { requestId: 'req_1', status: 403, current: 3 },
    });
  });

  it.each([
    [400, 'invalid'],
    [401, 'unauthenticated'],
    [403, 'denied'],
    [404, 'not_found'],
    [408, 'unavailable'],
    [409, 'conflict'],
    [412, 'precondition'],
    [413, 'exhausted'],
    [415, 'invalid'],
    [422, 'integrity'],
    [429, 'exhausted'],
    [431, 'exhausted'],
    [500, 'internal'],
    [502, 'unavailable'],
    [503, 'unavailable'],
    [504, 'unavailable'],
  ])('with status %i is of kind %s, whatever its body says', async (status, kind) => {
    const transport = await transportTo((_request, response) =>
      response.writeHead(status).end('<html>no</html>'),
    );

    const fault = await faultOf(transport.raw('GET', '/x'));

    expect(fault).toMatchObject({ kind, code: 'sdk.unexpected_answer', details: { status } });
  });

  it.each(['[]', 'null', '"text"', '{"code":7,"detail":{}}', '{', ''])(
    'with the body %j still has a message and a code',
    async (body) => {
      const transport = await transportTo((_request, response) => response.writeHead(500).end(body));

      expect(await faultOf(transport.raw('GET', '/x'))).toMatchObject({
        code: 'sdk.unexpected_answer',
        message: 'expected a success, got status 500',
      });
    },
  );

  it('does not read a problem without end', async () => {
    const transport = await transportTo((_request, response) => {
      response.writeHead(500);
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        response.once('drain', more);
      };
      more();
    });

    expect(await faultOf(transport.raw('GET', '/x'))).toMatchObject({ code: 'sdk.unexpected_answer' });
  });
});

describe('a server that misbehaves', () => {
  it('is not followed to another place', async () => {
    const visited: string[] = [];
    const elsewhere = await serve((request, response) => {
      visited.push(request.headers.authorization ?? '');
      response.end('{}');
    });
    const transport = await transportTo((_request, response) =>
      response.writeHead(307, { location: `${elsewhere}/x` }).end(),
    );

    const fault = await faultOf(transport.json('GET', '/x'));

    expect(fault).toMatchObject({ kind: 'invalid', code: 'sdk.redirected' });
    expect(fault.message).toContain(elsewhere);
    expect(visited).toEqual([]);
  });

  it('that is away is named', async () => {
    const transport = createTransport({ address: 'http://127.0.0.1:1' });

    const fault = await faultOf(transport.json('GET', '/x'));

    expect(fault).toMatchObject({ kind: 'unavailable', code: 'sdk.unreachable' });
    expect(fault.message).toContain('http://127.0.0.1:1');
    expect(fault.cause).toBeDefined();
  });

  it('that does not answer in time is given up', async () => {
    const transport = await transportTo(() => undefined, 50);

    expect(await faultOf(transport.json('GET', '/x'))).toMatchObject({
      kind: 'unavailable',
      code: 'sdk.timeout',
    });
  });

  it('that stops in the middle of an answer is given up', async () => {
    const transport = await transportTo((_request, response) => response.write('{"a":'), 50);

    expect(await faultOf(transport.json('GET', '/x'))).toMatchObject({
      kind: 'unavailable',
      code: 'sdk.broken_answer',
    });
  });

  it('that hangs up in the middle of an answer is a Fault too', async () => {
    const transport = await transportTo((_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{"a":', () => response.destroy());
    });

    expect(await faultOf(transport.json('GET', '/x'))).toMatchObject({ code: 'sdk.broken_answer' });
  });

  it('that is no Sallyport is told', async () => {
    const transport = await transportTo((_request, response) => response.end('<html>hello</html>'));

    expect(await faultOf(transport.json('GET', '/x'))).toMatchObject({ code: 'sdk.unexpected_answer' });
  });

  it('that sends more than was asked for is cut off', async () => {
    let sent = 0;
    const transport = await transportTo((_request, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536))) sent += 65_536;
        response.once('drain', more);
      };
      more();
    });

    const fault = await faultOf(transport.text('GET', '/x', { maxBytes: 100_000 }));

    expect(fault).toMatchObject({ kind: 'exhausted', code: 'sdk.answer_too_large' });
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });
});

describe('a caller', () => {
  it('that gives up sees its own reason, not a fault of the server', async () => {
    const transport = await transportTo(() => undefined);
    const stop = new AbortController();
    const asked = transport.json('GET', '/x', { signal: stop.signal });
    stop.abort(new Error('enough'));

    await expect(asked).rejects.toThrow('enough');
  });
});

describe('the body of an answer', () => {
  it('is whole, also when nobody holds the answer any more before it is read', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage: () => void = runInNewContext('gc');
    const transport = await transportTo((_request, response) => response.end('x'.repeat(2048)));
    const begin = async (): Promise<AsyncIterable<Uint8Array>> => bodyOf(await transport.raw('GET', '/'));

    const body = await begin();
    for (let round = 0; round < 3; round += 1) {
      await sleep(10);
      collectGarbage();
    }
    let size = 0;
    for await (const chunk of body) size += chunk.length;

    expect(size).toBe(2048);
  });
});
