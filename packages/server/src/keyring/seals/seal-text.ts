import { Fault } from '@sallyport/formats';
import type { SealConfig } from './create-seal.ts';

/** Settings of each kind of seal, as they are written in the configuration; a `?` may be left out. */
const settings = {
  file: [],
  shamir: [],
  pkcs11: ['library', 'token_label', 'key_label', 'mechanism', 'pin_file?'],
  awskms: ['region', 'key_id', 'endpoint?'],
  gcpckms: ['key', 'credentials_file?', 'endpoint?'],
  azurekeyvault: ['vault_url', 'key', 'tenant_id?', 'client_id?'],
  transit: ['address', 'key', 'mount?', 'token_file?'],
} as const satisfies Record<SealConfig['kind'], readonly string[]>;

/**
 * Reads a seal as the configuration says it: its kind, and after a "?" its settings, `awskms?region=eu-west-1&key_id=…`,
 * with values written as in a URL's query. `keyFile` is where the seal of kind `file` keeps its key. No setting is a
 * credential. Throws `keyring.seal_text`.
 */
export function parseSeal(text: string, keyFile: string): SealConfig {
  const [kind = '', query = ''] = splitOnce(text);
  if (!Object.hasOwn(settings, kind)) {
    throw invalid(`one of ${Object.keys(settings).join(', ')}`, JSON.stringify(kind.slice(0, 40)));
  }
  const names: readonly string[] = settings[kind as SealConfig['kind']];
  const known = new Set(names.map((name) => name.replace('?', '')));
  const values: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    if (!known.has(name))
      throw invalid(`${kind} with ${described(names)}`, JSON.stringify(name.slice(0, 40)));
    if (values[name] !== undefined || value === '') throw invalid(`one value for ${name}`, 'none or several');
    values[name] = value;
  }
  const missing = names.find((name) => !name.endsWith('?') && values[name] === undefined);
  if (missing !== undefined) throw invalid(`${kind} with ${described(names)}`, `none for ${missing}`);
  if (kind === 'file') return { kind, path: keyFile };
  const camel = Object.entries(values).map(([name, value]) => [
    name.replace(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase()),
    value,
  ]);
  if (kind === 'pkcs11' && !mechanisms.has(values['mechanism'] ?? ''))
    throw invalid(`a mechanism of ${[...mechanisms].join(', ')}`, 'another');
  // Exactly the names of the table above, whose camel case are the fields of the kind's config.
  return { kind, ...Object.fromEntries(camel) } as SealConfig;
}

const mechanisms: ReadonlySet<string> = new Set(['aes-gcm', 'rsa-oaep', 'rsa-oaep-sha1']);

function splitOnce(text: string): readonly [string, string] {
  const at = text.indexOf('?');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function described(names: readonly string[]): string {
  return names.length === 0 ? 'no settings' : names.map((name) => name.replace(/(.*)\?/, '[$1]')).join(', ');
}

function invalid(expected: string, got: string): Fault {
  return new Fault('invalid', 'keyring.seal_text', `expected a seal with ${expected}, got ${got}`, {
    hint: 'see "seal" in docs/configuration.md',
  });
}
