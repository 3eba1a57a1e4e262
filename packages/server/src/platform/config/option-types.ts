import { resolve } from 'node:path';
import { SecretBytes } from '@sallyport/formats';

/** A kind of value: what it must look like, in words for the reader, and how a text becomes one. */
export interface OptionType<T> {
  readonly expected: string;
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

export const optionTypes = {
  path: {
    expected: 'a path',
    parse: (text, cwd) => (text === '' || text.includes('\0') ? undefined : resolve(cwd, text)),
  } satisfies OptionType<string>,
  host: matching(/^[A-Za-z0-9.:-]{1,253}$/, 'an IP address or a host name'),
  port: whole(0, 65_535),
  seconds: whole(1, 86_400),
  count: whole(1, 100_000),
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
  logLevel: {
    expected: 'one of debug, info, warn, error, silent',
    parse: (text) => logLevels.find((level) => level === text),
  } satisfies OptionType<(typeof logLevels)[number]>,
  buildPlatform: {
    expected: 'workstation or hosted',
    parse: (text) => buildPlatforms.find((platform) => platform === text),
  } satisfies OptionType<(typeof buildPlatforms)[number]>,
} as const;

const buildPlatforms = ['workstation', 'hosted'] as const;
const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;

export type OptionTypeName = keyof typeof optionTypes;
export type ValueOf<N extends OptionTypeName> = NonNullable<ReturnType<(typeof optionTypes)[N]['parse']>>;
