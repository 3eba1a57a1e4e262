import type { EnvironmentSettings } from '../environments/settings.ts';
import type { Declared } from './declared.ts';
import type { Sighting } from './readers.ts';

/** One secret, with all that is known about it but its values. Times in milliseconds since the epoch. */
export interface SecretRow {
  /** `project/name`. */
  readonly environment: string;
  /** Path of the mount, with a slash at its end. */
  readonly mount: string;
  readonly mountId: string;
  readonly path: string;
  readonly declared: Declared;
  /** Services that the definitions of repositories give the secret to. */
  readonly services: readonly string[];
  /** The current version; 0 when there is none, or when the mount keeps no versions. */
  readonly version: number;
  /** Whether its current version has a value. */
  readonly hasValue: boolean;
  /** Absent where the mount keeps no times. */
  readonly createdAt?: number;
  /** When its value changed last. */
  readonly changedAt?: number;
  /** Last one first. */
  readonly readers: readonly Sighting[];
  /** Other environments that hold one of its values; without a name those that whoever asks may not know of. */
  readonly elsewhere: ReadonlyArray<{ readonly environment?: string }>;
  /** The same for the account that it leads to: a host and a user there. */
  readonly accountElsewhere: ReadonlyArray<{ readonly environment?: string }>;
  readonly settings: EnvironmentSettings;
}

const day = 24 * 3600_000;

/** Everybody who is said to use it: by its metadata, and by definitions of repositories. */
export function consumersOf({ declared, services }: SecretRow): readonly string[] {
  return [...new Set([...declared.consumers, ...services])];
}

/** Those whom it is said to be for and those who read it, each name once: a service may sign in in two ways. */
export function usersOf(row: SecretRow): readonly string[] {
  const consumers = consumersOf(row);
  return [...new Set([...consumers, ...unknownReaders(row, consumers).map(({ reader }) => reader.name)])];
}

/** Readers that nobody declared. Where nobody declared anything, everybody is unknown. */
export function unknownReaders(row: SecretRow, consumers = consumersOf(row)): readonly Sighting[] {
  const names = new Set(consumers.map((name) => name.toLowerCase()));
  return row.readers.filter(({ reader }) => !reader.aliases.some((alias) => names.has(alias.toLowerCase())));
}

/** When the value should have been replaced; absent when nobody said how often, or when it has none. */
export function rotationDueAt({ declared, changedAt, hasValue }: SecretRow): number | undefined {
  if (declared.rotateSeconds === undefined || changedAt === undefined || !hasValue) return undefined;
  return changedAt + declared.rotateSeconds * 1000;
}

export function isOverdue(row: SecretRow, now: number): boolean {
  const due = rotationDueAt(row);
  return due !== undefined && due <= now;
}

/** Neither read nor written for so long. A mount without times counts from its last read only. */
export function isUnused(row: SecretRow, days: number, now: number): boolean {
  const last = Math.max(row.readers[0]?.last ?? 0, row.changedAt ?? 0);
  return row.hasValue && last <= now - days * day;
}

export function isExpiring({ declared }: SecretRow, days: number, now: number): boolean {
  return declared.expiresAt !== undefined && declared.expiresAt <= now + days * day;
}

/** Of a list; every condition that is given has to hold. */
export interface RowFilter {
  readonly unowned?: boolean | undefined;
  readonly unusedDays?: number | undefined;
  readonly overdue?: boolean | undefined;
  /** More users than this. */
  readonly shared?: number | undefined;
  readonly expiringDays?: number | undefined;
  readonly unknownReader?: boolean | undefined;
  readonly elsewhere?: boolean | undefined;
}

export function matches(row: SecretRow, filter: RowFilter, now: number): boolean {
  return (
    (filter.unowned !== true || row.declared.owner === '') &&
    (filter.unusedDays === undefined || isUnused(row, filter.unusedDays, now)) &&
    (filter.overdue !== true || isOverdue(row, now)) &&
    (filter.shared === undefined || usersOf(row).length > filter.shared) &&
    (filter.expiringDays === undefined || isExpiring(row, filter.expiringDays, now)) &&
    (filter.unknownReader !== true || unknownReaders(row).length > 0) &&
    (filter.elsewhere !== true || row.elsewhere.length > 0)
  );
}
