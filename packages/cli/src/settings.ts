import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { Fault, parseStrictJson } from '@sallyport/formats';

/**
 * Where the command line finds its server and token: flags, then SALLYPORT_ADDR and SALLYPORT_TOKEN, then the
 * credentials file that `sally login` writes (mode 0600).
 */
export interface Settings {
  readonly address: string;
  readonly token: string | undefined;
  /** The project a repository was last added to, from here. */
  readonly project: string | undefined;
  readonly credentialsFile: string;
  readonly dataDirectory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export const defaultAddress = 'http://127.0.0.1:7270';

export function loadSettings(env: Readonly<Record<string, string | undefined>>, address?: string): Settings {
  const credentialsFile =
    env['SALLYPORT_CREDENTIALS'] ??
    join(env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'sallyport', 'credentials.json');
  const saved = readCredentials(credentialsFile);
  const chosen = address ?? env['SALLYPORT_ADDR'] ?? saved.current ?? defaultAddress;
  return {
    address: chosen,
    token: env['SALLYPORT_TOKEN'] ?? saved.tokens[chosen],
    project: saved.project,
    credentialsFile,
    dataDirectory:
      env['SALLYPORT_DATA'] ?? join(env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'sallyport'),
    env,
  };
}

interface Credentials {
  readonly current: string | undefined;
  readonly tokens: Readonly<Record<string, string>>;
  readonly project?: string | undefined;
}

function readCredentials(file: string): Credentials {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch {
    return { current: undefined, tokens: {} };
  }
  const parsed = parseStrictJson(new TextDecoder().decode(bytes));
  if (typeof parsed !== 'object' || parsed === null || !('tokens' in parsed)) {
    throw new Fault('invalid', 'cli.bad_credentials', `expected {current, tokens} in ${file}`, {
      hint: 'delete the file and run sally login again',
    });
  }
  const tokens: Record<string, string> = {};
  for (const [address, token] of Object.entries(parsed.tokens ?? {})) {
    if (typeof token === 'string') tokens[address] = token;
  }
  const current = 'current' in parsed && typeof parsed.current === 'string' ? parsed.current : undefined;
  const project = 'project' in parsed && typeof parsed.project === 'string' ? parsed.project : undefined;
  return { current, tokens, project };
}

/** Keeps `token` for `address` and makes it the current server. */
export function saveToken({ credentialsFile }: Settings, address: string, token: string): void {
  const saved = readCredentials(credentialsFile);
  write(credentialsFile, { ...saved, current: address, tokens: { ...saved.tokens, [address]: token } });
}

/** Makes `project` the one that commands mean when they name none. */
export function saveProject({ credentialsFile }: Settings, project: string): void {
  write(credentialsFile, { ...readCredentials(credentialsFile), project });
}

/** The file is readable by its owner only, and replaced whole. */
function write(file: string, credentials: Credentials): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const next = `${file}.${process.pid}`;
  writeFileSync(next, `${JSON.stringify(credentials)}\n`, { mode: 0o600 });
  renameSync(next, file);
}
