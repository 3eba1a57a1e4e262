import { createDatagramTransport, fittingLine, maxDatagramBytes } from './datagram-transport.ts';
import type { Device } from './device.ts';
import { createStreamTransport, type StreamAddress, type Transport } from './stream-transport.ts';

export type SocketAddress =
  | { readonly kind: 'stream'; readonly to: StreamAddress }
  | { readonly kind: 'datagram'; readonly host: string; readonly port: number };

/** Vault's socket device: the lines as they are, over TCP, UDP (one line a datagram) or a unix stream socket. */
export function createSocketDevice(address: SocketAddress, timeoutMs: number): Device {
  const transport = createTransport(address, timeoutMs);
  return {
    write: (lines) =>
      transport.send(
        address.kind === 'stream' ? lines : lines.map((line) => fittingLine(line, maxDatagramBytes)),
      ),
    reopen: async () => transport.reset(),
    close: async () => transport.reset(),
  };
}

export function createTransport(address: SocketAddress, timeoutMs: number): Transport {
  return address.kind === 'stream'
    ? createStreamTransport(address.to, timeoutMs)
    : createDatagramTransport(address.host, address.port, timeoutMs);
}
