import { chmod, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { Fault } from '@sallyport/formats';

/** `sockaddr_un.sun_path` is 108 bytes with its end; a longer path would be cut silently by some callers. */
const longestPath = 107;

export interface Listening {
  /** Stops listening, ends every connection at once and removes the socket. */
  close(): Promise<void>;
}

/** Serves one step on one unix socket: who speaks is known by the socket, so nothing inside holds a credential. */
export async function listenOnSocket(server: Server, path: string, sockets: Set<Socket>): Promise<Listening> {
  if (Buffer.byteLength(path) > longestPath) {
    throw new Fault(
      'invalid',
      'egress.socket_path',
      `expected a socket path of at most ${longestPath} bytes, got ${path.length}`,
      {
        hint: 'give the agent a shorter data directory',
      },
    );
  }
  await rm(path, { force: true });
  await new Promise<void>((ready, fail) => {
    server.once('error', fail);
    server.listen(path, () => {
      server.off('error', fail);
      ready();
    });
  });
  // The step runs as another user of its namespace; the folder around the socket is what keeps others out.
  await chmod(path, 0o666);
  return {
    async close() {
      const closed = new Promise<void>((done) => server.close(() => done()));
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
      await closed;
      await rm(path, { force: true });
    },
  };
}
