import type { Records } from '../../backend.ts';
import { createExpiring } from '../method/expiring.ts';

/**
 * Wrong passwords by name, as Vault counts them: after five, nobody signs in under the name for 15 minutes after the
 * last, not even with the right password. Kept in records, so it holds on all replicas and over a restart. Names nobody
 * has are counted too, else the lock would tell which ones are taken; how many there can be is bounded by the time that
 * each guess takes (see `createPasswords`).
 */
const maxFailures = 5;

const failures = createExpiring<number>({ directory: 'failures/', kept: true, lifeMs: 900_000 });

export function isLocked(store: Records, name: string, now: number): boolean {
  return (failures.find(store, name, now) ?? 0) >= maxFailures;
}

export function countFailure(store: Records, name: string, now: number): void {
  failures.put(store, name, (failures.find(store, name, now) ?? 0) + 1, now);
}

/** After the right password, or with a new one. */
export function forgetFailures(store: Records, name: string, now: number): void {
  failures.remove(store, name, now);
}
