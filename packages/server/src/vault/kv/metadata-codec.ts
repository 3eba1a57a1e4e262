import type { Codec } from '#journal';
import type { SecretMetadata, VersionMetadata } from './metadata.ts';

type StoredVersion = readonly [
  version: number,
  createdAt: number,
  deletedAt: number,
  destroyed: 0 | 1,
  /** Its place among the writers; -1: not known. */
  writer: number,
  prints?: string,
];

/** Without the names of its members: with ten versions they would be most of a record that each write writes anew. */
type Stored = readonly [
  createdAt: number,
  updatedAt: number,
  current: number,
  oldest: number,
  maxVersions: number,
  casRequired: 0 | 1,
  deleteAfter: number,
  custom: SecretMetadata['custom'],
  writers: readonly string[],
  versions: readonly StoredVersion[],
  expected?: readonly string[],
];

/** `kept` as in `Codec`. Reads records with names, too: what was written before. */
export function metadataCodec(kept: boolean): Codec<SecretMetadata> {
  return {
    kept,
    decode(bytes) {
      const stored = JSON.parse(bytes.toString('utf8')) as Stored | SecretMetadata;
      return isShort(stored) ? fromStored(stored) : stored;
    },
    encode: (metadata) => Buffer.from(JSON.stringify(toStored(metadata))),
  };
}

function isShort(stored: Stored | SecretMetadata): stored is Stored {
  return Array.isArray(stored);
}

function toStored(metadata: SecretMetadata): Stored {
  const writers: string[] = [];
  const versions: StoredVersion[] = [];
  for (const [version, facts] of Object.entries(metadata.versions)) {
    const { createdAt, deletedAt, destroyed, createdBy, prints } = facts;
    let writer = createdBy === undefined ? -1 : writers.indexOf(createdBy);
    if (writer < 0 && createdBy !== undefined) writer = writers.push(createdBy) - 1;
    const head = [Number(version), createdAt, deletedAt, destroyed ? 1 : 0, writer] as const;
    versions.push(prints === undefined ? head : [...head, prints]);
  }
  const { createdAt, updatedAt, current, oldest, maxVersions, casRequired, deleteAfter, custom, expected } =
    metadata;
  const cas = casRequired ? 1 : 0;
  const all = [createdAt, updatedAt, current, oldest, maxVersions, cas, deleteAfter, custom] as const;
  return expected === undefined ? [...all, writers, versions] : [...all, writers, versions, expected];
}

function fromStored(stored: Stored): SecretMetadata {
  const [createdAt, updatedAt, current, oldest, maxVersions, cas, deleteAfter, custom, ...rest] = stored;
  const [writers, storedVersions, expected] = rest;
  const versions: Record<string, VersionMetadata> = {};
  for (const [version, created, deletedAt, destroyed, writer, prints] of storedVersions) {
    const createdBy = writers[writer];
    versions[version] = {
      createdAt: created,
      deletedAt,
      destroyed: destroyed === 1,
      ...(createdBy === undefined ? {} : { createdBy }),
      ...(prints === undefined ? {} : { prints }),
    };
  }
  return {
    createdAt,
    updatedAt,
    current,
    oldest,
    maxVersions,
    casRequired: cas === 1,
    deleteAfter,
    custom,
    versions,
    ...(expected === undefined ? {} : { expected }),
  };
}
