import type { AuditedBefore } from '../audit/json-walk.ts';
import type { Call } from '../backend.ts';
import { createRecent } from '../recent.ts';
import { describeVersion, type SecretMetadata } from './metadata.ts';

/** What the answers to reads of one version have in common beside its value, and what audit says of them. */
interface Shown {
  readonly metadata: SecretMetadata;
  /** What follows the value. */
  readonly tail: Buffer;
  readonly audited: AuditedBefore;
}

/** About 1.5 KB each: texts of metadata and hashes, no value. */
const recent = createRecent<number, Shown>(2048);

/** The same object as long as neither the value, whose record `stamp` is of, nor its metadata was written anew. */
export function shownVersion(call: Call, version: number, metadata: SecretMetadata, stamp: number): Shown {
  const before = recent.find(stamp);
  if (before?.metadata === metadata) return before;
  const described = JSON.stringify(describeVersion(call, version, metadata));
  const shown = { metadata, tail: Buffer.from(`,"metadata":${described}}`), audited: {} };
  recent.keep(stamp, shown);
  return shown;
}
