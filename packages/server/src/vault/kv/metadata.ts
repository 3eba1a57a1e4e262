import type { RecordPath } from '#journal';
import type { Call, Records } from '../backend.ts';
import type { JsonObject } from '../fields.ts';
import { jsonCodec } from '../records.ts';
import { metadataCodec } from './metadata-codec.ts';

/** What is known of a secret beside its values. */
export interface SecretMetadata {
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly current: number;
  readonly oldest: number;
  /** 0: as the mount says. */
  readonly maxVersions: number;
  readonly casRequired: boolean;
  /** Seconds; 0: as the mount says; negative: never, whatever the mount says. */
  readonly deleteAfter: number;
  readonly custom: Readonly<Record<string, string>> | null;
  readonly versions: Readonly<Record<string, VersionMetadata>>;
  /** Names that a version should have, because the environment before this one has them; see environments/promote.ts. */
  readonly expected?: readonly string[];
}

export interface VersionMetadata {
  readonly createdAt: number;
  /** When it was or will be deleted; 0: not. */
  readonly deletedAt: number;
  readonly destroyed: boolean;
  /** See `writerOf`. */
  readonly createdBy?: string;
  /** Fingerprints of its values, while there is a value; see prints.ts. */
  readonly prints?: string;
}

/** The mount's own settings. */
export interface KvConfig {
  readonly maxVersions: number;
  readonly casRequired: boolean;
  readonly deleteAfter: number;
}

const keptCodec = metadataCodec(true);
// What is looked at once, in a walk over all secrets, must not stay decoded for it.
const lookCodec = metadataCodec(false);
const configCodec = jsonCodec<KvConfig>(true);
const defaultConfig: KvConfig = { maxVersions: 0, casRequired: false, deleteAfter: 0 };
const defaultMaxVersions = 10;

export const metadataDirectory = 'meta/';

/** `secret` is its path, or where its metadata is. */
export function findMetadata(store: Records, secret: RecordPath): SecretMetadata | undefined {
  return store.read(metadataAt(secret), keptCodec);
}

/** As `findMetadata`, for whoever looks at very many of them. */
export function lookAtMetadata(store: Records, path: string): SecretMetadata | undefined {
  return store.read(metadataDirectory + path, lookCodec);
}

export function putMetadata(store: Records, secret: RecordPath, metadata: SecretMetadata): void {
  store.write(metadataAt(secret), keptCodec, metadata);
}

function metadataAt(secret: RecordPath): RecordPath {
  return typeof secret === 'string' ? metadataDirectory + secret : secret;
}

/** Of a secret that has no version yet. */
export function newMetadata(now: number): SecretMetadata {
  return {
    createdAt: now,
    updatedAt: now,
    current: 0,
    oldest: 0,
    maxVersions: 0,
    casRequired: false,
    deleteAfter: 0,
    custom: null,
    versions: {},
  };
}

export function configOf(store: Records): KvConfig {
  return store.read(store.at('', 'config'), configCodec) ?? defaultConfig;
}

export function putConfig(store: Records, config: KvConfig): void {
  store.write('config', configCodec, config);
}

/** A value as its owner wrote it: the bytes of a JSON object. */
export function findValue(store: Records, path: string, version: number): Buffer | undefined {
  return store.get(valuePath(path, version));
}

export function removeValue(store: Records, path: string, version: number): void {
  store.delete(valuePath(path, version));
}

export const valuePath = (path: string, version: number): string => `data/${version}/${path}`;

/** How many versions are kept. */
export function keptVersions(metadata: Pick<SecretMetadata, 'maxVersions'>, config: KvConfig): number {
  return metadata.maxVersions || config.maxVersions || defaultMaxVersions;
}

/** When a version written now goes by itself; 0: never. Milliseconds since the epoch. */
export function deletionOf(
  metadata: Pick<SecretMetadata, 'deleteAfter'>,
  config: KvConfig,
  now: number,
): number {
  const seconds = metadata.deleteAfter < 0 ? 0 : shorterOf(metadata.deleteAfter, config.deleteAfter);
  return seconds === 0 ? 0 : now + seconds * 1000;
}

function shorterOf(one: number, other: number): number {
  if (one <= 0 || other <= 0) return Math.max(one, other, 0);
  return Math.min(one, other);
}

export function isDeleted(version: VersionMetadata, now: number): boolean {
  return version.deletedAt !== 0 && version.deletedAt <= now;
}

/** RFC 3339, and the empty text for a time that is not. */
export const timeText = (milliseconds: number): string =>
  milliseconds === 0 ? '' : new Date(milliseconds).toISOString();

/** A version as reads and writes show it. */
export function describeVersion(call: Call, version: number, metadata: SecretMetadata): JsonObject {
  const facts = metadata.versions[version];
  return {
    created_time: timeText(facts?.createdAt ?? call.now),
    custom_metadata: metadata.custom,
    deletion_time: timeText(facts?.deletedAt ?? 0),
    destroyed: facts?.destroyed ?? false,
    version,
  };
}

export function durationText(seconds: number): string {
  if (seconds < 0) return `${seconds}s`;
  const [hours, minutes, rest] = [
    Math.floor(seconds / 3600),
    Math.floor((seconds % 3600) / 60),
    seconds % 60,
  ];
  if (hours > 0) return `${hours}h${minutes}m${rest}s`;
  return minutes > 0 ? `${minutes}m${rest}s` : `${rest}s`;
}
