import { createHash } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { deviceFailed, withDeadline } from './device.ts';
import type { Transport } from './stream-transport.ts';

/** What fits a UDP datagram over IPv4: 65,535 less the headers of IP and UDP. */
export const maxDatagramBytes = 65_507;

/**
 * UDP to one address: sent is all there is to know, so such a device cannot be required. The socket is connected, so
 * that a refusal by the peer's host (ICMP) fails the next `send`.
 */
export function createDatagramTransport(host: string, port: number, timeoutMs: number): Transport {
  let current: Socket | undefined;
  let refused: Error | undefined;

  async function dial(): Promise<Socket> {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    // It must not keep a server alive that has nothing else to do.
    socket.unref();
    const connected = new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(port, host, () => resolve());
    });
    try {
      await withDeadline(connected, timeoutMs, () => undefined, 'the address of the audit receiver');
    } catch (cause) {
      socket.close();
      throw deviceFailed('connect', 'cannot reach the receiver of audit lines', cause);
    }
    socket.removeAllListeners('error');
    socket.on('error', (error) => {
      refused = error;
    });
    return socket;
  }

  function reset(): void {
    current?.close();
    current = undefined;
    refused = undefined;
  }

  return {
    async send(messages) {
      if (refused !== undefined) {
        const cause = refused;
        reset();
        throw deviceFailed('write', 'the receiver of audit lines refused the last ones', cause);
      }
      current ??= await dial();
      const socket = current;
      for (const message of messages) {
        const sent = new Promise<void>((resolve, reject) => {
          socket.send(message, (error) => (error === null ? resolve() : reject(error)));
        });
        try {
          await withDeadline(sent, timeoutMs, reset, 'room for an audit datagram');
        } catch (cause) {
          reset();
          throw deviceFailed('write', 'cannot send an audit datagram', cause);
        }
      }
    },
    reset,
  };
}

/**
 * The line, or when it is longer than `maxBytes` a line that says so, with the digest of the whole: a device with a
 * full record, such as a file, has a line of that digest.
 */
export function fittingLine(line: Buffer, maxBytes: number): Buffer {
  if (line.length <= maxBytes) return line;
  const sha256 = createHash('sha256').update(line).digest('hex');
  return Buffer.from(`{"type":"oversize","bytes":${line.length},"sha256":"${sha256}"}\n`);
}
