import { createServer as createHttp, type RequestListener, type Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { loopbackServer } from './certificates.fixture.ts';

const { ca, server: certificate } = loopbackServer();

/** The authority of every `https` server here. */
export const loopbackCaPem = ca.pem;

export interface Loopback {
  readonly url: string;
  /** How many requests came. */
  readonly count: () => number;
  close(): Promise<void>;
}

/** A real server on the loopback interface; TLS unless told otherwise. */
export async function serve(
  listener: RequestListener,
  scheme: 'http' | 'https' = 'https',
): Promise<Loopback> {
  let count = 0;
  const counted: RequestListener = (request, response) => {
    count++;
    listener(request, response);
  };
  const server: Server =
    scheme === 'http'
      ? createHttp(counted)
      : createHttps(
          { cert: certificate.pem, key: certificate.key.export({ type: 'pkcs8', format: 'pem' }) },
          counted,
        );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A listening TCP server has an address object.
  const { port } = server.address() as AddressInfo;
  return {
    url: `${scheme}://127.0.0.1:${port}`,
    count: () => count,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Several servers of one test, closed together. */
export function createServers(): { serve: typeof serve; closeAll(): Promise<void> } {
  const open: Loopback[] = [];
  return {
    async serve(listener, scheme) {
      const started = await serve(listener, scheme);
      open.push(started);
      return started;
    },
    async closeAll() {
      await Promise.all(open.splice(0).map((server) => server.close()));
    },
  };
}
