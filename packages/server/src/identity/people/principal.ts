import { Fault } from '@sallyport/formats';
import type { Json } from '#platform';

export type PrincipalKind = 'person' | 'workload' | 'agent';

/** Someone or something that may hold tokens. */
export interface Principal {
  readonly id: string;
  readonly kind: PrincipalKind;
  readonly name: string;
  /** Lower case; only a person has any. */
  readonly emails: readonly string[];
  readonly groups: readonly string[];
  readonly policies: readonly string[];
  /** A disabled principal's tokens are all refused; it keeps its id, because the ledger names it. */
  readonly disabled: boolean;
  readonly createdAt: Date;
}

const idPrefixes = { person: 'psn', workload: 'wl', agent: 'agt' } as const;

export function idPrefixOf(kind: PrincipalKind): string {
  return idPrefixes[kind];
}

/** Exactly what the ledger holds of a principal. */
export function principalState(principal: Principal): Json {
  return {
    id: principal.id,
    kind: principal.kind,
    name: principal.name,
    emails: principal.emails,
    groups: principal.groups,
    policies: principal.policies,
    disabled: principal.disabled,
  };
}

export function principalResource(principal: Pick<Principal, 'kind' | 'id'>): string {
  return `${principal.kind}/${principal.id}`;
}

/**
 * The form an address is stored and compared in. Lower case throughout: no mail system in use tells
 * `Ann@example.org` from `ann@example.org`, and treating them as two people would defeat four eyes.
 */
export function normalizeEmail(text: string): string {
  const email = text.normalize('NFC').toLowerCase();
  if (email.length > 254 || !/^[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(email))
    throw new Fault(
      'invalid',
      'identity.email_invalid',
      `expected an email address, got "${text.slice(0, 100)}"`,
    );
  return email;
}

const namePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Names of policies, groups and workloads. */
export function checkName(text: string, what: string): string {
  if (!namePattern.test(text))
    throw new Fault(
      'invalid',
      'identity.name_invalid',
      `expected ${what} of lower case letters, digits and inner dashes, got "${text.slice(0, 80)}"`,
    );
  return text;
}

/** What a person is called on screens: printable, bounded, no line breaks or direction overrides that forge a log line. */
export function checkPersonName(text: string): string {
  const name = text.normalize('NFC').trim();
  if (name.length === 0 || name.length > 100 || /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/u.test(name))
    throw new Fault('invalid', 'identity.name_invalid', 'expected a name of 1 to 100 printable characters');
  return name;
}

/** Sorted and without doubles, so that equal sets have equal recorded states. */
export function nameSet(names: readonly string[], what: string): readonly string[] {
  if (names.length > 50)
    throw new Fault(
      'invalid',
      'identity.name_invalid',
      `expected at most 50 names of ${what}, got ${names.length}`,
    );
  return [...new Set(names.map((name) => checkName(name, `a name of ${what}`)))].sort();
}
