import { fromUtf8 } from '../bytes/bytes.ts';
import { parseCanonicalJson } from '../json/canonical.ts';
import { closed, oneOf, plainObject } from '../json/shape.ts';
import { parseStrictJson } from '../json/strict.ts';
import type { LogEntry } from './document.ts';
import { firstGeneration } from './first-generation.ts';
import { refusal } from './refusal.ts';
import { secondGeneration } from './second-generation.ts';
import type { SignedContent } from './signed-content.ts';
import type { Signer } from './signer.ts';

const kinds = { ...firstGeneration, ...secondGeneration };
const maxBodyBytes = 16 * 1024 * 1024;

/** Kinds of the second generation of the log: no promise, no time, and checkpoints named by the host alone. */
export function isSecondGeneration({ kind, version }: Pick<LogEntry, 'kind' | 'version'>): boolean {
  return Object.hasOwn(secondGeneration, `${kind} ${version}`);
}

/** Throws unless the entry records this signature of this content by this signer. */
export function requireRecorded(entry: LogEntry, content: SignedContent, signer: Signer): void {
  const name = `${entry.kind} ${entry.version}`;
  const compare = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (compare === undefined) throw refusal('log_entry', `an entry of ${Object.keys(kinds).join(', ')}`, name);
  const json = fromUtf8(entry.body);
  const limits = { maxBytes: maxBodyBytes };
  // The second generation writes canonical JSON; another spelling would be another leaf of the tree.
  const value = isSecondGeneration(entry) ? parseCanonicalJson(json, limits) : parseStrictJson(json, limits);
  const body = closed<{ apiVersion: string; kind: string; spec: Readonly<Record<string, unknown>> }>(
    { apiVersion: oneOf(entry.version), kind: oneOf(entry.kind), spec: plainObject },
    {},
  )(value, 'entry');
  compare(body.spec, content, signer);
}
