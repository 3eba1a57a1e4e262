import { parseDuration } from '../duration.ts';

/**
 * What the owner of a secret says about it, in `custom_metadata`:
 *
 * - `owner`, `purpose`: text
 * - `rotate_every`: a duration such as `90d`, after which a version is too old
 * - `expires_at`: RFC 3339, or a date alone, when the credential ends by itself
 * - `consumers`: names with commas, of the services, roles or people that read it
 */
export interface Declared {
  readonly owner: string;
  readonly purpose: string;
  /** Absent: not said. */
  readonly rotateSeconds?: number;
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number;
  readonly consumers: readonly string[];
  /** Names of what could not be read. */
  readonly unreadable: readonly string[];
}

export const declaredNames = ['owner', 'purpose', 'rotate_every', 'expires_at', 'consumers'] as const;

const date = /^\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d{2}:\d{2}))?$/;
const maxConsumers = 100;

export function declaredOf(custom: Readonly<Record<string, string>> | null): Declared {
  const text = (name: (typeof declaredNames)[number]): string =>
    custom !== null && Object.hasOwn(custom, name) ? (custom[name] ?? '').trim() : '';
  const unreadable: string[] = [];

  function rotateSeconds(): number | undefined {
    if (text('rotate_every') === '') return undefined;
    try {
      const seconds = parseDuration(text('rotate_every'));
      if (seconds > 0) return seconds;
    } catch {
      // Somebody's text; it is told as unreadable.
    }
    unreadable.push('rotate_every');
    return undefined;
  }

  function expiresAt(): number | undefined {
    if (text('expires_at') === '') return undefined;
    const time = date.test(text('expires_at')) ? Date.parse(text('expires_at')) : Number.NaN;
    if (Number.isFinite(time)) return time;
    unreadable.push('expires_at');
    return undefined;
  }

  const [rotates, expires] = [rotateSeconds(), expiresAt()];
  const consumers = text('consumers')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  return {
    owner: text('owner'),
    purpose: text('purpose'),
    ...(rotates === undefined ? {} : { rotateSeconds: rotates }),
    ...(expires === undefined ? {} : { expiresAt: expires }),
    consumers: [...new Set(consumers)].slice(0, maxConsumers),
    unreadable,
  };
}
