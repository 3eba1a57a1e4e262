import type { Turn } from '#journal';
import { revokeToken } from '../tokens/tokens.ts';
import { covers, revocations, writeRevocations } from './revoked.ts';
import { tokensBelow } from './token-leases.ts';

/** What one batch should hold at most; what is left goes by and by. */
const atOnce = 500;

/**
 * Revokes every token whose lease id begins with `prefix`. From this turn on none of them is valid; the records of the
 * first ones go at once, the others in portions, because a login method may have given out more than a batch can hold.
 */
export function revokeBelow(turn: Turn, prefix: string): void {
  writeRevocations(turn, [...revocations(turn), { prefix, until: turn.now }]);
  revokeSome(turn, atOnce);
}

/** Removes some `limit` tokens that are revoked already, and those made with them; gives how many. Call it until 0. */
export function revokeSome(turn: Turn, limit: number): number {
  const left = [...revocations(turn)];
  if (left.length === 0) return 0;
  let count = 0;
  for (let next = left[0]; next !== undefined; next = left[0]) {
    for (const entry of tokensBelow(turn, next.prefix)) {
      if (!covers(next, entry)) continue;
      if (count >= limit) {
        writeRevocations(turn, left);
        return count;
      }
      count += revokeToken(turn, entry.accessor);
    }
    left.shift();
  }
  writeRevocations(turn, left);
  return count;
}
