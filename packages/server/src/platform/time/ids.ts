import { Fault } from '@sallyport/formats';
import type { Clock, Ids, Random } from '../ports.ts';

/**
 * UUID version 7 (RFC 9562 section 5.7) with a 12-bit counter in `rand_a` (section 6.2, method 1): ids of one process
 * sort in the order they were made, also within a millisecond and when the clock is set back. 62 random bits remain,
 * so an id is not a credential but is not guessed by chance either.
 */
export function createIds(deps: { readonly clock: Clock; readonly random: Random }): Ids {
  let lastMs = 0;
  let counter = 0;
  return {
    next: (prefix) => {
      if (!/^[a-z]{2,8}$/.test(prefix)) {
        throw new Fault(
          'internal',
          'platform.id_prefix',
          `expected 2 to 8 lower case letters, got '${prefix}'`,
        );
      }
      const random = deps.random.bytes(10);
      const view = new DataView(random.buffer, random.byteOffset, random.byteLength);
      const nowMs = deps.clock.now().getTime();
      if (nowMs > lastMs) {
        lastMs = nowMs;
        // Half of the counter's room stays free for this millisecond.
        counter = view.getUint16(0) & 0x07ff;
      } else {
        counter += 1;
        if (counter > 0x0fff) {
          lastMs += 1;
          counter = view.getUint16(0) & 0x07ff;
        }
      }
      const time = lastMs.toString(16).padStart(12, '0');
      const middle = (0x7000 | counter).toString(16);
      const variant = (0x8000 | (view.getUint16(2) & 0x3fff)).toString(16);
      const tail = Buffer.from(random.subarray(4, 10)).toString('hex');
      return `${prefix}_${time.slice(0, 8)}-${time.slice(8)}-${middle}-${variant}-${tail}`;
    },
  };
}
