import { Fault, isFault } from '@sallyport/formats';
import type { CallOptions, Transport } from './transport.ts';

/**
 * Several servers that are replicas of one another, spoken to as one. A call goes to the server that answered last. One
 * that is away is left for the next: at once when the request cannot have arrived, otherwise with the next call, so that
 * nothing is done twice that the caller did not ask for twice.
 */
export function createFailover(transports: readonly Transport[]): Transport {
  const [first] = transports;
  if (first === undefined) throw new Fault('invalid', 'sdk.no_address', 'expected an address, got none');
  let current = first;

  async function send<T>(call: (transport: Transport) => Promise<T>, options?: CallOptions): Promise<T> {
    for (let tried = 1; ; tried += 1) {
      const asked = current;
      try {
        return await call(asked);
      } catch (error) {
        if (!isFault(error) || error.kind !== 'unavailable') throw error;
        // Several calls may fail together; only the first of them moves on.
        if (current === asked) current = after(asked);
        const again = tried < transports.length && options?.stream === undefined && neverArrived(error);
        if (!again) throw error;
      }
    }
  }

  const after = (transport: Transport): Transport =>
    transports[(transports.indexOf(transport) + 1) % transports.length] ?? transport;

  return {
    get address() {
      return current.address;
    },
    raw: (method, target, options) => send((one) => one.raw(method, target, options), options),
    text: (method, target, options) => send((one) => one.text(method, target, options), options),
    json: <T>(method: string, target: string, options?: CallOptions) =>
      send((one) => one.json<T>(method, target, options), options),
  };
}

/** Nobody listened: the kernel said so before a byte of the request was sent. */
function neverArrived(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth += 1) {
    if ('code' in cause && cause.code === 'ECONNREFUSED') return true;
  }
  return false;
}
