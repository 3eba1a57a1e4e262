import { resolve } from 'node:path';
import { SecretBytes } from '@sallyport/formats';

/** A kind of value: what it must look like, in words for the reader, and how a text becomes one. */
export interface OptionType<T> {
  readonly expected: string;
  /** In the file it may be a list or a map, which is parsed as the JSON of it. */
  readonly structured?: true;
  /** Gives undefined when `text` is not such a value. */
  parse(text: string, cwd: string): T | undefined;
}

function whole(min: number, max: number): OptionType<number> {
  return {
    expected: `a whole number from ${min} to ${max}`,
    parse: (text) => {
      const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

function matching(pattern: RegExp, expected: string): OptionType<string> {
  return { expected, parse: (text) => (pattern.test(text) ? text : undefined) };
}

const units: Readonly<Record<string, number>> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** At most this many devices, keys or places; each is a line or two of a file that people read. */
const maxListed = 100;

export const optionTypes = {
  path: {
    expected: 'a path',
    parse: (text, cwd) => (text === '' || text.includes('\0') ? undefined : resolve(cwd, text)),
  } satisfies OptionType<string>,
  host: matching(/^[A-Za-z0-9.:-]{1,253}$/, 'an IP address or a host name'),
  port: whole(0, 65_535),
  seconds: whole(1, 86_400),
  count: whole(1, 100_000),
  quorum: whole(0, 15),
  state: whole(0, Number.MAX_SAFE_INTEGER),
  bytes: {
    expected: 'a size such as 1048576, 512KiB, 64MiB or 10GiB',
    parse: (text) => {
      const parts = /^([0-9]{1,9})(KiB|MiB|GiB|)$/.exec(text);
      const value = Number(parts?.[1]) * (units[parts?.[2] ?? ''] ?? Number.NaN);
      return value >= 1 && value <= 2 ** 44 ? value : undefined;
    },
  } satisfies OptionType<number>,
  url: {
    expected: 'an http or https URL without path, user or query, such as https://sally.example.com',
    parse: (text) => {
      const url = URL.parse(text);
      const plain =
        url !== null &&
        /^https?:$/.test(url.protocol) &&
        url.pathname === '/' &&
        url.username + url.password === '';
      return plain && url.search + url.hash === '' ? url.origin : undefined;
    },
  } satisfies OptionType<string>,
  databaseUrl: {
    expected: 'a URL such as postgres://user@host:5432/name',
    parse: (text) => {
      const url = URL.parse(text);
      return url !== null && /^postgres(ql)?:$/.test(url.protocol) ? SecretBytes.fromUtf8(text) : undefined;
    },
  } satisfies OptionType<SecretBytes>,
  seal: matching(
    /^[a-z0-9]{1,20}(\?[^\s]{1,2000})?$/,
    'a seal such as file, shamir or awskms?region=…&key_id=…',
  ),
  secretText: {
    expected: 'a text of 1 to 1024 visible characters',
    parse: (text) => (/^[!-~]{1,1024}$/.test(text) ? SecretBytes.fromUtf8(text) : undefined),
  } satisfies OptionType<SecretBytes>,
  // c2sp.org/tlog-checkpoint: a schema-less URL without spaces; the bare host name also names the log's key.
  origin: matching(
    /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
    'a bare host name in lower case, such as log.example.com',
  ),
  name: matching(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'lower case letters, digits and inner dashes, at most 63',
  ),
  textList: {
    expected: 'a list of texts; in the environment separated by commas, or JSON',
    structured: true,
    parse: (text) => {
      const list = text.trimStart().startsWith('[')
        ? fromJson(text)
        : text.split(',').map((each) => each.trim());
      return Array.isArray(list) && list.length <= maxListed && list.every(isText) ? list : undefined;
    },
  } satisfies OptionType<readonly string[]>,
  fileMap: {
    expected: 'a map of names to paths, such as {siem: /etc/sallyport/siem.key}; in the environment JSON',
    structured: true,
    parse: (text, cwd) => {
      const map = textMapOf(fromJson(text));
      if (map === undefined || Object.values(map).includes('')) return undefined;
      return Object.fromEntries(Object.entries(map).map(([name, path]) => [name, resolve(cwd, path)]));
    },
  } satisfies OptionType<Readonly<Record<string, string>>>,
  devices: {
    expected: 'a list of {path, type, description, options}, where options is a map; in the environment JSON',
    structured: true,
    parse: (text) => {
      const list = fromJson(text);
      if (!Array.isArray(list) || list.length > maxListed) return undefined;
      const devices = list.map(deviceOf);
      return devices.every((device) => device !== undefined) ? devices : undefined;
    },
  } satisfies OptionType<readonly DeclaredDevice[]>,
  logLevel: {
    expected: 'one of debug, info, warn, error, silent',
    parse: (text) => logLevels.find((level) => level === text),
  } satisfies OptionType<(typeof logLevels)[number]>,
  rekorWriters: {
    expected: 'certificates or authenticated',
    parse: (text) => rekorWriters.find((writers) => writers === text),
  } satisfies OptionType<(typeof rekorWriters)[number]>,
  buildPlatform: {
    expected: 'workstation or hosted',
    parse: (text) => buildPlatforms.find((platform) => platform === text),
  } satisfies OptionType<(typeof buildPlatforms)[number]>,
} as const;

/** Where copies of audit lines go, as it is declared; what the options mean, the context knows that writes them. */
export interface DeclaredDevice {
  readonly path: string;
  readonly type: string;
  readonly description: string;
  readonly options: Readonly<Record<string, string>>;
}

function deviceOf(value: unknown): DeclaredDevice | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { path, type, description = '', options = {}, ...more } = value as Record<string, unknown>;
  const map = textMapOf(options);
  if (!isText(path) || !isText(type) || typeof description !== 'string' || map === undefined)
    return undefined;
  return Object.keys(more).length === 0 ? { path, type, description, options: map } : undefined;
}

/** Numbers and booleans as they are written: YAML makes them of `true` and `0600`. */
function textMapOf(value: unknown): Readonly<Record<string, string>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value);
  const scalars = entries.every(([, each]) => ['string', 'number', 'boolean'].includes(typeof each));
  if (!scalars || entries.length > maxListed) return undefined;
  return Object.fromEntries(entries.map(([name, each]) => [name, String(each)]));
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !value.includes('\0');
}

const rekorWriters = ['certificates', 'authenticated'] as const;
const buildPlatforms = ['workstation', 'hosted'] as const;
const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;

export type OptionTypeName = keyof typeof optionTypes;
export type ValueOf<N extends OptionTypeName> = NonNullable<ReturnType<(typeof optionTypes)[N]['parse']>>;
