import type { Turn } from '#journal';
import { badRequest } from '../errors.ts';
import type { TokenEntry } from './entry.ts';
import { changeToken } from './tokens.ts';

/**
 * Lets a token live `incrementSeconds` from now, or as long as it was made for when that is 0; never past its maximum,
 * and a periodic one always for its period. Gives the entry as it is now, and why it is shorter than was asked.
 */
export function renewToken(
  turn: Turn,
  entry: TokenEntry,
  incrementSeconds: number,
): { readonly entry: TokenEntry; readonly warning?: string } {
  if (!entry.renewable) throw badRequest('lease is not renewable');
  if (entry.expiresAt === 0) return { entry };
  const wanted = entry.period || incrementSeconds || entry.creationTtl;
  const left = secondsToMaximum(turn, entry);
  const ttl = Math.max(1, Math.min(wanted, left));
  const renewed: TokenEntry = { ...entry, ttl, renewedAt: turn.now, expiresAt: turn.now + ttl * 1000 };
  changeToken(turn, entry, renewed);
  if (ttl >= wanted) return { entry: renewed };
  return {
    entry: renewed,
    warning: `TTL of "${wanted}s" exceeded the effective max_ttl of "${left}s"; TTL value is capped accordingly`,
  };
}

function secondsToMaximum(turn: Turn, entry: TokenEntry): number {
  const limits = [
    ...(entry.period === 0 ? [entry.maxTtl] : []),
    ...(entry.explicitMaxTtl === 0 ? [] : [entry.explicitMaxTtl]),
  ];
  if (limits.length === 0) return Number.MAX_SAFE_INTEGER;
  return Math.floor((entry.createdAt + Math.min(...limits) * 1000 - turn.now) / 1000);
}
