import { isFault, parseStrictJson } from '@sallyport/formats';
import { notAllowed, refused } from './faults.ts';
import { decodeBase64, type Fields, isFields, readText } from './fields.ts';
import { requireForeignVersion } from './foreign-material.ts';
import type { ChangedKey, KeyVersion, TransitKey, VersionSecret } from './key.ts';
import { factsOf } from './key-types.ts';
import { type LifecycleDeps, newVersionId } from './lifecycle.ts';
import type { KeyMaterial } from './material-cache.ts';
import { parseKeyRecord, parseVersionSecret } from './record.ts';

/** The form's name and version, first in the document, so that a later form is told apart from a broken one. */
const form = 'sallyport-transit-backup/1';
const maxBackupLength = 32 * 1024 * 1024;

/**
 * `GET backup/:name`: the key with all its versions as one opaque text, IN CLEAR: base64 of JSON. Only of a key that was
 * made exportable and whose plaintext backup was allowed. Gives the key to keep, too: it remembers its last backup.
 */
export function backupKey(deps: LifecycleDeps & { readonly material: KeyMaterial }, key: TransitKey): Backup {
  if (!key.exportable) throw notAllowed('not_exportable', 'exporting is disallowed on the policy');
  if (!key.allowPlaintextBackup) {
    throw notAllowed('no_backup', 'plaintext backup is disallowed on the policy');
  }
  const time = deps.clock.now().toISOString();
  const kept = { ...key, backup: { time, version: key.latestVersion } };
  const numbers = Object.keys(key.versions);
  const secrets = Object.fromEntries(
    numbers.map((number) => [number, deps.material.reveal(key, Number(number))]),
  );
  return { backup: Buffer.from(JSON.stringify({ form, key: kept, secrets })).toString('base64'), key: kept };
}

export interface Backup {
  readonly backup: string;
  readonly key: TransitKey;
}

/**
 * The key in such a text, under `name` if given. Everything in it is checked as if a stranger wrote it, down to whether
 * private keys belong to their public ones. Whether a key of that name exists is the caller's to ask: see `existsAlready`.
 */
export function restoreKey(deps: LifecycleDeps, body: Fields, name: string | undefined): ChangedKey {
  const text = readText(body, 'backup') ?? '';
  if (text === '') throw refused('backup', "'backup' must be supplied");
  const saved = readBackup(text);
  const key = parseKeyRecord(saved.key);
  const versions: Record<string, KeyVersion> = {};
  const secrets: Record<string, VersionSecret> = {};
  for (const [number, version] of Object.entries(key.versions)) {
    const secret = parseVersionSecret(saved.secrets[number]);
    requireForeignVersion(factsOf(key.type), version, secret);
    // Another id: the key it was saved from may still be here, and go on its own way.
    const id = newVersionId(deps);
    versions[number] = { ...version, id };
    secrets[id] = secret;
  }
  const restore = { time: deps.clock.now().toISOString(), version: key.latestVersion };
  return { key: { ...key, name: name ?? key.name, versions, restore }, secrets };
}

export function existsAlready(name: string) {
  return notAllowed('exists', `key ${JSON.stringify(name)} already exists`);
}

function readBackup(text: string): { readonly key: unknown; readonly secrets: Fields } {
  try {
    const json = decodeBase64(text, 'backup').toString();
    const document = parseStrictJson(json, { maxBytes: maxBackupLength, maxDepth: 6 });
    if (isFields(document) && document['form'] === form && isFields(document['secrets'])) {
      return { key: document['key'], secrets: document['secrets'] };
    }
  } catch (error) {
    if (!isFault(error)) throw error;
  }
  throw refused('backup', `expected a backup of the form ${form}, got other text`);
}
