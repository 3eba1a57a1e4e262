import { Fault } from '@sallyport/formats';

/**
 * Lets `atOnce` logins be checked at a time and refuses the others with `Fault('exhausted')`: who floods a path that is
 * open to all must not get a connection to somebody's issuer for each request, nor a place in a queue without end.
 */
export type Gate = <T>(work: () => Promise<T>) => Promise<T>;

export function createGate(atOnce: number): Gate {
  let running = 0;
  return async (work) => {
    if (running >= atOnce)
      throw new Fault('exhausted', 'vault.logins', 'too many logins at once, try again later');
    running++;
    try {
      return await work();
    } finally {
      running--;
    }
  };
}
