import { timingSafeEqual } from 'node:crypto';

/** Compares in a time that depends on the lengths only, so that a secret cannot be guessed byte by byte. */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
