import { Fault, SecretBytes } from '@sallyport/formats';
import { readConfigFile } from './config-file.ts';
import { optionTypes } from './option-types.ts';
import {
  type Config,
  envName,
  fileKey,
  flagName,
  type Option,
  type OptionName,
  optionList,
} from './options.ts';

export interface ConfigSources {
  /** A YAML file; must exist when given. */
  readonly file?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By flag name without dashes in front: `{ 'listen-port': '8080' }`. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  /** Relative paths are taken from here. */
  readonly cwd: string;
}

export interface DescribedOption {
  /** As it is written in the file. */
  readonly name: string;
  readonly value: string;
  /** `default`, `file <path>:<line>`, `env NAME` or `flag --name`. */
  readonly source: string;
  readonly doc: string;
}

export interface LoadedConfig {
  readonly config: Config;
  /** For `sally config`: every option with its value and where it comes from; secrets masked. */
  describe(): readonly DescribedOption[];
}

interface Found {
  readonly text: string;
  readonly source: string;
}

/** Reads all sources; a flag beats the environment, which beats the file, which beats the default. */
export async function loadConfig(sources: ConfigSources): Promise<LoadedConfig> {
  refuseUnknownFlags(sources.flags);
  const inFile = sources.file === undefined ? new Map() : await readConfigFile(sources.file);
  const values: Record<string, unknown> = {};
  const described: DescribedOption[] = [];
  for (const [name, option] of optionList) {
    const entry = inFile.get(name);
    const found: Found | undefined =
      fromFlag(name, sources.flags) ??
      fromEnv(name, option, sources.env) ??
      (entry === undefined
        ? undefined
        : { text: entry.text, source: `file ${sources.file}:${entry.line}` }) ??
      fromDefault(option, values);
    values[name] = found === undefined ? undefined : parse(name, option, found, sources.cwd);
    described.push({
      name: fileKey(name),
      value: shown(values[name]),
      source: found?.source ?? 'default',
      doc: option.doc,
    });
  }
  // Each value was parsed by the type its row in the table names.
  const config = values as unknown as Config;
  checkTls(config);
  return { config, describe: () => described };
}

/** Half of TLS would be plain HTTP for whoever believes that it is on. */
function checkTls({ tlsCertFile, tlsKeyFile, tlsClientCaFile }: Config): void {
  const complete = tlsCertFile !== undefined && tlsKeyFile !== undefined;
  const none = tlsCertFile === undefined && tlsKeyFile === undefined && tlsClientCaFile === undefined;
  if (complete || none) return;
  throw new Fault(
    'invalid',
    'config.tls',
    "expected both of 'tls_cert_file' and 'tls_key_file', or none of the options of TLS",
    { hint: 'see docs/configuration.md' },
  );
}

function parse(name: OptionName, option: Option, found: Found, cwd: string): unknown {
  const type = optionTypes[option.type];
  const value = type.parse(found.text, cwd);
  if (value !== undefined) return value;
  // A secret that is malformed is still a secret.
  const got = option.secret === true ? 'something else' : `'${found.text.slice(0, 100)}'`;
  throw new Fault(
    'invalid',
    'config.value',
    `${found.source}: '${fileKey(name)}' expected ${type.expected}, got ${got}`,
    {
      hint: 'see docs/configuration.md',
      details: { key: fileKey(name), source: found.source, expected: type.expected },
    },
  );
}

function shown(value: unknown): string {
  if (value === undefined) return '';
  if (value instanceof SecretBytes) return '[secret]';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function fromFlag(name: OptionName, flags: ConfigSources['flags']): Found | undefined {
  const text = flags[flagName(name)];
  return text === undefined ? undefined : { text, source: `flag --${flagName(name)}` };
}

function fromEnv(name: OptionName, option: Option, env: ConfigSources['env']): Found | undefined {
  const text = env[envName(name, option)];
  // An empty variable is how shells and compose files say "not set".
  return text === undefined || text === '' ? undefined : { text, source: `env ${envName(name, option)}` };
}

function fromDefault(option: Option, values: Readonly<Record<string, unknown>>): Found | undefined {
  if (option.default === undefined) return undefined;
  const text = typeof option.default === 'string' ? option.default : option.default.from(values);
  return { text, source: 'default' };
}

function refuseUnknownFlags(flags: ConfigSources['flags']): void {
  for (const flag of Object.keys(flags)) {
    const found = optionList.find(([name]) => flagName(name) === flag);
    if (found === undefined) {
      throw new Fault(
        'invalid',
        'config.unknown_flag',
        `expected a known option, got '--${flag.slice(0, 100)}'`,
        {
          hint: `known are ${optionList.map(([name]) => `--${flagName(name)}`).join(', ')}`,
        },
      );
    }
    if (found[1].secret === true) {
      throw new Fault(
        'invalid',
        'config.secret_flag',
        `expected '${flag}' from a file or the environment, got a flag`,
        {
          hint: `set ${envName(...found)}: every user of the machine can read a command line`,
        },
      );
    }
  }
}
