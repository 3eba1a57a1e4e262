import { refused } from './faults.ts';
import type { KeyVersion, TransitKey, VersionSecret } from './key.ts';
import { canDerive, factsOf, parseKeyType } from './key-types.ts';

/** A thousand years of daily rotation have fewer. */
const maxVersions = 400_000;
const maxTextLength = 8192;
const keyName = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?$/;

type Shape = Readonly<Record<string, unknown>>;

/** Names as Vault's paths take them: letters, digits, `_`, and inside `-` and `.`; at most 128 characters. */
export function parseKeyName(name: string): string {
  if (keyName.test(name)) return name;
  throw refused('name', 'expected a key name of letters, digits, "_", "-" and ".", at most 128 characters');
}

/**
 * A key that was written as JSON. Every field is checked and no other is kept, because a backup comes from outside;
 * whether the material fits is another question: see `requireForeignVersion`.
 */
export function parseKeyRecord(value: unknown): TransitKey {
  const from = shape(value);
  const type = parseKeyType(text(from, 'type'));
  const facts = factsOf(type);
  const derived = flag(from, 'derived');
  const convergentEncryption = flag(from, 'convergentEncryption');
  const latestVersion = whole(from, 'latestVersion', 1);
  const minAvailableVersion = whole(from, 'minAvailableVersion', 0);
  const minDecryptionVersion = whole(from, 'minDecryptionVersion', 1);
  const minEncryptionVersion = whole(from, 'minEncryptionVersion', 0);
  const versions = parseVersions(from['versions'], Math.max(1, minAvailableVersion), latestVersion);
  const consistent =
    minDecryptionVersion <= latestVersion &&
    minEncryptionVersion <= latestVersion &&
    minAvailableVersion <= minDecryptionVersion &&
    (minEncryptionVersion === 0
      ? minAvailableVersion === 0
      : minEncryptionVersion >= minDecryptionVersion && minEncryptionVersion >= minAvailableVersion) &&
    (!derived || canDerive(facts)) &&
    (!convergentEncryption || (derived && facts.family === 'aead'));
  if (!consistent) throw broken('consistent versions and options');
  return {
    name: parseKeyName(text(from, 'name')),
    type,
    derived,
    convergentEncryption,
    versions,
    latestVersion,
    minAvailableVersion,
    minDecryptionVersion,
    minEncryptionVersion,
    exportable: flag(from, 'exportable'),
    allowPlaintextBackup: flag(from, 'allowPlaintextBackup'),
    deletionAllowed: flag(from, 'deletionAllowed'),
    autoRotatePeriodSeconds: whole(from, 'autoRotatePeriodSeconds', 0),
    keySizeBytes: whole(from, 'keySizeBytes', 0),
    imported: flag(from, 'imported'),
    allowRotation: flag(from, 'allowRotation'),
    ...event(from, 'backup'),
    ...event(from, 'restore'),
  };
}

/** All versions from `first` to `last` and no others: a gap would be a version that cannot be opened. */
function parseVersions(value: unknown, first: number, last: number): Record<string, KeyVersion> {
  const from = shape(value);
  const count = last - first + 1;
  if (count < 1 || count > maxVersions || Object.keys(from).length !== count) throw broken('its versions');
  const versions: Record<string, KeyVersion> = {};
  for (let number = first; number <= last; number += 1) {
    const version = shape(from[number]);
    versions[number] = {
      id: text(version, 'id'),
      createdAt: time(version, 'createdAt'),
      publicKey: text(version, 'publicKey'),
      uses: whole(version, 'uses', 0),
    };
  }
  return versions;
}

/** The secret part of a version, as JSON. */
export function parseVersionSecret(value: unknown): VersionSecret {
  const from = shape(value);
  return { material: text(from, 'material'), hmacKey: text(from, 'hmacKey') };
}

function event<Name extends 'backup' | 'restore'>(from: Shape, name: Name) {
  if (from[name] === undefined) return {};
  const value = shape(from[name]);
  return { [name]: { time: time(value, 'time'), version: whole(value, 'version', 1) } };
}

function shape(value: unknown): Shape {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw broken('objects');
  return value as Shape; // Only asked for its own properties, each of which is checked.
}

function text(from: Shape, name: string): string {
  const value = from[name];
  if (typeof value === 'string' && value.length <= maxTextLength) return value;
  throw broken(`text in ${name}`);
}

function time(from: Shape, name: string): string {
  const value = text(from, name);
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value) && !Number.isNaN(Date.parse(value)))
    return value;
  throw broken(`a time in ${name}`);
}

function flag(from: Shape, name: string): boolean {
  const value = from[name];
  if (typeof value === 'boolean') return value;
  throw broken(`true or false in ${name}`);
}

function whole(from: Shape, name: string, least: number): number {
  const value = from[name];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value;
  throw broken(`a whole number from ${least} in ${name}`);
}

function broken(expected: string) {
  return refused('record', `expected ${expected} in a transit key's record, got something else`);
}
