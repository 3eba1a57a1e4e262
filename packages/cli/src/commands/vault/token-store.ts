import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Fault, parseStrictJson } from '@sallyport/formats';
import type { Settings } from '../../settings.ts';

/**
 * Tokens of the secrets store, by the address they were made for: beside the credentials of `sally login`, mode 0600.
 * `~/.vault-token` is not read: it does not say for which server it is, and would be sent to any.
 */
export function savedVaultToken(settings: Settings, address: string): string | undefined {
  return read(fileOf(settings))[address];
}

export function saveVaultToken(settings: Settings, address: string, token: string | undefined): string {
  const file = fileOf(settings);
  const { [address]: _before, ...others } = read(file);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const next = `${file}.${process.pid}`;
  const tokens = token === undefined ? others : { ...others, [address]: token };
  writeFileSync(next, `${JSON.stringify({ tokens })}\n`, { mode: 0o600 });
  renameSync(next, file);
  return file;
}

const fileOf = ({ credentialsFile }: Settings): string =>
  `${credentialsFile.replace(/\.json$/, '')}.vault.json`;

function read(file: string): Readonly<Record<string, string>> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return {};
  }
  const parsed = parseStrictJson(text);
  const tokens =
    typeof parsed === 'object' && parsed !== null && 'tokens' in parsed ? parsed.tokens : undefined;
  if (typeof tokens !== 'object' || tokens === null) {
    throw new Fault('invalid', 'cli.bad_credentials', `expected {tokens} in ${file}`, {
      hint: 'delete the file and run sally vault login again',
    });
  }
  return Object.fromEntries(
    Object.entries(tokens).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
