import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createFailover } from './failover.ts';
import { createTransport, type Transport } from './transport.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) stop(server);
});

function stop(server: Server): void {
  server.closeAllConnections();
  server.close();
}

async function serve(listener: RequestListener): Promise<{ server: Server; transport: Transport }> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // a TCP server's address is always this
  return { server, transport: createTransport({ address: `http://127.0.0.1:${port}` }) };
}

async function two(first: RequestListener, second: RequestListener) {
  const [one, other] = [await serve(first), await serve(second)];
  return { one, other, both: createFailover([one.transport, other.transport]) };
}

const says =
  (who: string): RequestListener =>
  (_request, response) =>
    response.end(`"${who}"`);

describe('a failover', () => {
  it('stays with the server that answers', async () => {
    const { both } = await two(says('one'), says('other'));

    expect([await both.json('GET', '/'), await both.json('GET', '/')]).toEqual(['one', 'one']);
  });

  it('sends a request that cannot have arrived to the next server, and stays there', async () => {
    const { one, other, both } = await two(says('one'), says('other'));
    stop(one.server);

    expect(await both.json('POST', '/', { body: {} })).toBe('other');
    expect(both.address).toBe(other.transport.address);
  });

  it('does not repeat a request that may have arrived; the next call goes elsewhere', async () => {
    let asked = 0;
    const { both } = await two((request) => {
      asked += 1;
      request.socket.destroy();
    }, says('other'));

    await expect(both.json('POST', '/', { body: {} })).rejects.toMatchObject({ kind: 'unavailable' });
    expect(await both.json('POST', '/', { body: {} })).toBe('other');
    expect(asked).toBe(1);
  });

  it('takes a refusal for an answer', async () => {
    const { both } = await two((_request, response) => response.writeHead(403).end(), says('other'));

    await expect(both.json('GET', '/')).rejects.toMatchObject({ kind: 'denied' });
    await expect(both.json('GET', '/')).rejects.toMatchObject({ kind: 'denied' });
  });

  it('gives up when all are away, and finds the one that is back', async () => {
    const { one, other, both } = await two(says('one'), says('other'));
    const port = Number(new URL(other.transport.address).port);
    stop(one.server);
    stop(other.server);

    await expect(both.json('GET', '/')).rejects.toMatchObject({ code: 'sdk.unreachable' });

    const back = createServer(says('back'));
    servers.push(back);
    await new Promise<void>((resolve) => back.listen(port, '127.0.0.1', resolve));
    expect(await both.json('GET', '/')).toBe('back');
  });

  it('needs an address', () => {
    expect(() => createFailover([])).toThrowError(/expected an address/);
  });
});
