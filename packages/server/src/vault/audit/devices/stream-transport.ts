import { connect, type Socket } from 'node:net';
import { isFault } from '@sallyport/formats';
import { deviceFailed, withDeadline } from './device.ts';

/** Sends bytes to where a socket or syslog device is declared to. */
export interface Transport {
  /** Each message is one datagram where there are datagrams. Resolves when the kernel has them all. */
  send(messages: readonly Buffer[]): Promise<void>;
  /** Forgets the connection; the next `send` makes a new one. */
  reset(): void;
}

export type StreamAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/**
 * A TCP or unix stream connection that is made when it is needed. When the peer closed it, `send` tries once more on
 * a new one. What a peer had not read when it died is lost without a sign: a stream has no receipts.
 */
export function createStreamTransport(address: StreamAddress, timeoutMs: number): Transport {
  let current: Socket | undefined;

  function drop(socket: Socket): void {
    if (current === socket) current = undefined;
    socket.destroy();
  }

  async function dial(): Promise<Socket> {
    const socket = connect({ ...address, noDelay: true });
    const connected = new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('closed')));
    });
    try {
      await withDeadline(connected, timeoutMs, () => socket.destroy(), 'a connection to the audit receiver');
    } catch (cause) {
      socket.destroy();
      throw deviceFailed('connect', 'cannot connect to the receiver of audit lines', cause);
    }
    // Nothing a receiver says matters, but unread it would fill the connection; and a peer that ends is gone.
    socket.resume();
    socket.once('end', () => drop(socket));
    socket.once('close', () => drop(socket));
    socket.on('error', () => drop(socket));
    return socket;
  }

  async function write(socket: Socket, bytes: Buffer): Promise<void> {
    let closed: () => void = () => undefined;
    const written = new Promise<void>((resolve, reject) => {
      closed = () => reject(new Error('the connection was closed'));
      socket.once('close', closed);
      socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
    try {
      await withDeadline(written, timeoutMs, () => drop(socket), 'the receiver to take audit lines');
    } finally {
      socket.off('close', closed);
    }
  }

  return {
    async send(messages) {
      const bytes = Buffer.concat(messages);
      const kept = current;
      if (kept !== undefined) {
        try {
          return await write(kept, bytes);
        } catch (error) {
          drop(kept);
          // A receiver that does not read would not read the second time either.
          if (isFault(error)) throw error;
        }
      }
      const socket = await dial();
      current = socket;
      try {
        await write(socket, bytes);
      } catch (cause) {
        drop(socket);
        throw deviceFailed('write', 'the receiver of audit lines did not take them', cause);
      }
    },
    reset() {
      if (current !== undefined) drop(current);
    },
  };
}
