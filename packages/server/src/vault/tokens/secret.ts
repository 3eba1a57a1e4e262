import type { Random } from '#platform';
import type { KeyedHash } from '../keyed-hash.ts';

/** As Vault's, so that scanners for leaked secrets know them. */
const prefixes = { service: 'hvs.', batch: 'hvb.' } as const;
const tokenSizeBytes = 32;
const maxTokenLength = 2048;

/** A new token: 256 bits from the operating system. */
export function newToken(random: Random, type: keyof typeof prefixes): string {
  return prefixes[type] + Buffer.from(random.bytes(tokenSizeBytes)).toString('base64url');
}

/**
 * The accessor of a token: 144 bits of a keyed hash. It finds the entry and does not lead back to the token, so the
 * database never holds anything a token could be guessed from, not even a short one that somebody chose.
 */
export function accessorOf(key: KeyedHash, token: string): string | undefined {
  if (token.length === 0 || token.length > maxTokenLength) return undefined;
  return key.text(`accessor\0${token}`, 'base64url').slice(0, 24);
}
