import { boundedText } from './json-text.ts';

/** A list longer than this is cut, and says so. */
const maxListed = 256;

/** Writes `"name":value` members of an object, leaving out what is empty, as Vault's lines do. */
export interface Members {
  text(name: string, value: string | undefined): void;
  number(name: string, value: number | undefined): void;
  flag(name: string, value: boolean | undefined): void;
  texts(name: string, values: readonly string[] | undefined): void;
  map(name: string, values: Readonly<Record<string, string>>): void;
  /** `json` as it is; `''` is empty. */
  json(name: string, json: string): void;
  /** Members without braces, with a comma behind each. */
  take(): string;
}

/** `names` come from our own code and need no escape. */
export function createMembers(hash: (text: string) => string): Members {
  let out = '';

  function list(values: readonly string[]): string {
    const shown = values.slice(0, maxListed).map((value) => boundedText(value, hash));
    if (values.length > maxListed) shown.push(`"${values.length - maxListed} more"`);
    return `[${shown.join(',')}]`;
  }

  return {
    text(name, value) {
      if (value !== undefined && value !== '') out += `"${name}":${boundedText(value, hash)},`;
    },
    number(name, value) {
      if (value !== undefined && value !== 0 && Number.isFinite(value)) out += `"${name}":${value},`;
    },
    flag(name, value) {
      if (value === true) out += `"${name}":true,`;
    },
    texts(name, values) {
      if (values !== undefined && values.length > 0) out += `"${name}":${list(values)},`;
    },
    map(name, values) {
      const keys = Object.keys(values);
      if (keys.length === 0) return;
      const shown = keys
        .slice(0, maxListed)
        .map((key) => `${boundedText(key, hash)}:${boundedText(values[key] ?? '', hash)}`);
      out += `"${name}":{${shown.join(',')}},`;
    },
    json(name, json) {
      if (json !== '') out += `"${name}":${json},`;
    },
    take() {
      const members = out;
      out = '';
      return members;
    },
  };
}

/**
 * The object of what `take` gave, with `last` behind it: one member without a comma. A line is put together without
 * being read; to cut the comma off a long text would write all of it once more.
 */
export function objectOf(members: string, last = ''): string {
  return last === '' ? `{${members.slice(0, -1)}}` : `{${members}${last}}`;
}

/** The same ASCII text in one piece, for what is kept: what was put together is a tree, walked with each line it is in. */
export function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
