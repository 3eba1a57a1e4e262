import type { Turn } from '#journal';
import type { TokenEntry } from './entry.ts';
import { changeToken, findToken, revokeToken } from './tokens.ts';

/**
 * Counts one use of a token that has a limit; with the last one the token and all it made are gone. Called when the
 * answer is ready, refusals included: a use is a use. Gives the uses left, or `undefined` for a token without limit.
 */
export function spendUse(turn: Turn, token: TokenEntry | undefined): number | undefined {
  if (token === undefined || token.numUses === 0) return undefined;
  // Anew: the request may have changed or revoked the token that it came with.
  const entry = findToken(turn, token.accessor);
  if (entry === undefined) return 0;
  if (entry.numUses <= 1) {
    revokeToken(turn, entry.accessor);
    return 0;
  }
  changeToken(turn, entry, { ...entry, numUses: entry.numUses - 1 });
  return entry.numUses - 1;
}
