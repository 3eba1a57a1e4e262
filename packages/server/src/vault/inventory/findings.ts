import {
  consumersOf,
  isExpiring,
  isOverdue,
  isUnused,
  rotationDueAt,
  type SecretRow,
  unknownReaders,
  usersOf,
} from './row.ts';

export const severities = ['high', 'medium', 'low'] as const;
export type Severity = (typeof severities)[number];

export const findingKinds = [
  'same_value_elsewhere',
  'same_account_elsewhere',
  'value_refused',
  'broad_token',
  'expired',
  'rotation_overdue',
  'unknown_reader',
  'expiring',
  'shared_by_many',
  'unowned',
  'unused',
  'unreadable_metadata',
] as const;
export type FindingKind = (typeof findingKinds)[number];

/** Something that should not be as it is, and what to do about it. It names no value. */
export interface Finding {
  readonly kind: FindingKind;
  readonly severity: Severity;
  /** `project/name`; absent for what belongs to no environment. */
  readonly environment?: string;
  /** A secret by its mount and path, a token by its accessor. */
  readonly subject: string;
  readonly explanation: string;
  readonly todo: string;
}

const listed = 5;
const day = 24 * 3600_000;

/** What is to be said about one secret at the moment `now`. Pure: the same row gives the same findings. */
export function findingsOf(row: SecretRow, now: number): readonly Finding[] {
  const { settings, declared } = row;
  const found: Finding[] = [];
  const add = (kind: FindingKind, severity: Severity, explanation: string, todo: string): void => {
    const { environment } = row;
    found.push({ kind, severity, environment, subject: row.mount + row.path, explanation, todo });
  };

  const named = (others: SecretRow['elsewhere']): string =>
    some(others.map(({ environment = 'an environment you may not see' }) => environment));
  if (row.accountElsewhere.length > 0) {
    add(
      'same_account_elsewhere',
      'medium',
      `the account that it names, of one user on one host, is also used from ${named(row.accountElsewhere)}`,
      'make an account for each environment: what one of them does or loses is the loss of the other',
    );
  }
  if (row.elsewhere.length > 0) {
    add(
      'same_value_elsewhere',
      'high',
      `a value of it is also in ${named(row.elsewhere)}`,
      'make a new credential for each environment, write it there, then revoke the old one',
    );
  }
  if (isExpiring(row, settings.expiringDays, now)) {
    const left = Math.ceil(((declared.expiresAt ?? 0) - now) / day);
    if (left <= 0) add('expired', 'high', 'it has expired', 'replace it, and set expires_at of the new one');
    else {
      const severity = left <= 7 ? 'high' : 'medium';
      add('expiring', severity, `it expires in ${days(left)}`, 'replace it before, and set expires_at anew');
    }
  }
  if (isOverdue(row, now)) {
    const late = Math.floor((now - (rotationDueAt(row) ?? now)) / day);
    const severity = late * day > (declared.rotateSeconds ?? 0) * 1000 ? 'high' : 'medium';
    add(
      'rotation_overdue',
      severity,
      `its value should have been replaced ${late === 0 ? 'today' : `${days(late)} ago`}`,
      'write a new version, or change rotate_every if it says too little',
    );
  }
  // Where nobody is declared, nobody can be unknown: that nobody is declared is what an owner has to hear.
  const unknown = consumersOf(row).length === 0 ? [] : unknownReaders(row);
  if (unknown.length > 0) {
    add(
      'unknown_reader',
      'medium',
      `it was read by ${some(unknown.map(({ reader }) => reader.name))}, who is not among its consumers`,
      'add the reader to consumers, or take the right to read away and replace the value',
    );
  }
  const users = usersOf(row);
  if (users.length > settings.maxConsumers) {
    add(
      'shared_by_many',
      'medium',
      `${users.length} use it: ${some(users)}`,
      'give each service a credential of its own, so that one can be replaced without the others',
    );
  }
  if (declared.owner === '') {
    add(
      'unowned',
      settings.requireOwner ? 'high' : 'low',
      'nobody is said to own it',
      'set owner in its custom metadata; on a mount without versions, move it to one with versions',
    );
  }
  if (isUnused(row, settings.unusedDays, now)) {
    add(
      'unused',
      'low',
      `nobody read or wrote it for ${days(settings.unusedDays)} or more`,
      'ask its owner; delete the version first, and destroy it when nobody misses it',
    );
  }
  if (declared.unreadable.length > 0) {
    add(
      'unreadable_metadata',
      'low',
      `${declared.unreadable.join(' and ')} in its custom metadata cannot be read`,
      'write rotate_every as a duration such as 90d, and expires_at as 2027-01-31T00:00:00Z',
    );
  }
  return found;
}

/** The gravest first, then by kind and subject: the same order every time. */
export function inOrder(findings: readonly Finding[]): readonly Finding[] {
  const rank = (finding: Finding): number =>
    severities.indexOf(finding.severity) * findingKinds.length + findingKinds.indexOf(finding.kind);
  return [...findings].sort(
    (one, other) =>
      rank(one) - rank(other) || (one.subject < other.subject ? -1 : one.subject > other.subject ? 1 : 0),
  );
}

function days(count: number): string {
  return count === 1 ? 'one day' : `${count} days`;
}

function some(names: readonly string[]): string {
  const more = names.length - listed;
  return names.slice(0, listed).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
