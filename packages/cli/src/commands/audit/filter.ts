import { Fault, type SecretBytes } from '@sallyport/formats';
import type { Flag, Invocation } from '../../command.ts';
import { readSecret } from '../../input.ts';

/** What both `search` and `tail` can be asked for. */
export const filterFlags: Readonly<Record<string, Flag>> = {
  path: {
    type: 'string',
    value: 'GLOB',
    doc: 'only of this path; * is anything, + one part between slashes',
  },
  operation: { type: 'string', value: 'NAME', doc: 'create, read, update, patch, delete, list or help' },
  user: { type: 'string', value: 'NAME', doc: 'only of whoever is shown under this name' },
  entity: { type: 'string', value: 'ID', doc: 'only of this entity' },
  accessor: { type: 'string', value: 'ACCESSOR', doc: 'only of the token with this accessor' },
  request: { type: 'string', value: 'ID', doc: 'only of this request' },
  errors: { type: 'boolean', doc: 'only what was refused or failed' },
  value: {
    type: 'boolean',
    doc: 'only lines with a value, which is asked for or read from standard input; the server hashes it',
  },
  type: {
    type: 'string',
    value: 'TYPE',
    doc: 'response (default, says what was asked as well), request or all',
  },
};

export interface Asked {
  readonly body: Readonly<Record<string, string | number | boolean>>;
  readonly value: SecretBytes | undefined;
}

/** The filter of the API that the flags ask for. The value is the caller's to wipe. */
export async function filterOf(invocation: Invocation): Promise<Asked> {
  const { flag, on } = invocation;
  const type = flag('type') ?? 'response';
  if (!['response', 'request', 'all'].includes(type)) {
    throw usage(`expected --type to be response, request or all, got '${type}'`);
  }
  const texts = {
    path: flag('path'),
    operation: flag('operation'),
    displayName: flag('user'),
    entity: flag('entity'),
    accessor: flag('accessor'),
    requestId: flag('request'),
    type: type === 'all' ? undefined : type,
  };
  const given = Object.entries(texts).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    body: { ...Object.fromEntries(given), ...(on('errors') ? { errors: true } : {}) },
    value: on('value') ? await readSecret('value to look for') : undefined,
  };
}

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** A moment as people say it: `15m` is that long ago, `2026-11-20` the beginning of that day in UTC, or RFC 3339. */
export function momentOf(name: string, text: string, now: Date): string {
  const [, count, unit] = /^([0-9]{1,6})([smhdw])$/.exec(text) ?? [];
  if (count !== undefined && unit !== undefined) {
    return new Date(now.getTime() - Number(count) * (units[unit] ?? 0) * 1000).toISOString();
  }
  const whole = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text) ? `${text}T00:00:00Z` : text;
  const time = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T/.test(whole) ? Date.parse(whole) : Number.NaN;
  if (!Number.isNaN(time)) return new Date(time).toISOString();
  throw usage(`expected --${name} as 15m, 2h, 3d, 2026-11-20 or 2026-11-20T10:00:00Z, got '${text}'`);
}

function usage(message: string): Fault {
  return new Fault('invalid', 'cli.usage', message);
}
