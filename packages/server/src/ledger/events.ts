import {
  canonicalJson,
  type Digest,
  digestOf,
  Fault,
  fromUtf8,
  isFault,
  leafHash,
  maxEntryBytes,
  parseCanonicalJson,
  parseDigest,
  toHex,
  utf8,
} from '@sallyport/formats';
import type { Json, LedgerEvent } from '#platform';

/** One event as the ledger keeps it: the hash of the state, not the state. */
export interface EventEntry {
  readonly id: string;
  /** RFC 3339 in UTC, by the clock of the process that recorded it. */
  readonly time: string;
  readonly type: string;
  readonly actor: LedgerEvent['actor'];
  readonly resource: string;
  /** Absent when the event changed no state, null when the thing no longer exists. */
  readonly stateHash?: Digest | null;
  readonly detail?: Json;
}

/** What an entry is follows from its bytes alone, so that no column can say otherwise. */
export type Entry =
  | { readonly kind: 'event'; readonly id: string; readonly resource: string; readonly event: EventEntry }
  | { readonly kind: 'evidence'; readonly id: string; readonly resource: null };

const actorKinds: ReadonlySet<string> = new Set(['person', 'workload', 'agent', 'step', 'system']);
const typePattern = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,4}$/;
const resourcePattern = /^[a-z][a-z0-9_-]{0,39}\/[^\p{Cc}]{1,600}$/u;
const timePattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;
const idPattern = /^evt_[0-9a-f-]{36}$/;

/** The leaf of an event: canonical JSON (RFC 8785) with `v: 1`. Refuses what `readEntry` would not read back. */
export function encodeEvent(event: LedgerEvent, id: string, time: Date): Uint8Array {
  const { type, actor, resource, state, detail } = event;
  const body = utf8(
    canonicalJson({
      v: 1,
      id,
      time: time.toISOString(),
      type,
      actor: { kind: actor.kind, id: actor.id },
      resource,
      ...(state === undefined ? {} : { stateHash: state === null ? null : stateHashOf(state) }),
      ...(detail === undefined ? {} : { detail }),
    }),
  );
  if (body.length > maxEntryBytes) {
    throw new Fault(
      'invalid',
      'ledger.event_too_large',
      `expected an event of at most ${maxEntryBytes} bytes, got ${body.length} bytes of "${type}"`,
      { hint: 'put a digest of the detail into the event, and the detail elsewhere' },
    );
  }
  if (readEntry(body).kind !== 'event') {
    throw new Fault(
      'invalid',
      'ledger.event',
      `expected a type "a.b.c", a resource "kind/id" and an actor, got "${type}" on "${resource}" by "${actor.kind}"`,
    );
  }
  return body;
}

export function stateHashOf(state: Json): Digest {
  return digestOf(utf8(canonicalJson(state)));
}

/** An event if the bytes are exactly the leaf of one, evidence otherwise. */
export function readEntry(body: Uint8Array): Entry {
  const event = readEvent(body);
  if (event !== undefined) return { kind: 'event', id: event.id, resource: event.resource, event };
  return { kind: 'evidence', id: `evd_${toHex(leafHash(body))}`, resource: null };
}

function readEvent(body: Uint8Array): EventEntry | undefined {
  // Canonical JSON sorts its keys, so an event begins with its actor; spares parsing every piece of evidence.
  if (body.length > maxEntryBytes || fromAscii(body, 10) !== '{"actor":{') return undefined;
  try {
    return eventOf(parseCanonicalJson(fromUtf8(body), { maxBytes: maxEntryBytes }));
  } catch (error) {
    if (isFault(error) && error.kind === 'invalid') return undefined;
    throw error;
  }
}

function eventOf(value: unknown): EventEntry | undefined {
  if (!isRecord(value)) return undefined;
  const { v, id, time, type, actor, resource, stateHash, detail, ...rest } = value;
  if (v !== 1 || Object.keys(rest).length > 0 || !isRecord(actor)) return undefined;
  const { kind: actorKind, id: actorId, ...moreOfActor } = actor;
  if (Object.keys(moreOfActor).length > 0 || typeof actorId !== 'string' || actorId.length > 300)
    return undefined;
  if (typeof actorKind !== 'string' || !actorKinds.has(actorKind)) return undefined;
  if (typeof id !== 'string' || !idPattern.test(id)) return undefined;
  if (typeof time !== 'string' || !timePattern.test(time)) return undefined;
  if (typeof type !== 'string' || !typePattern.test(type)) return undefined;
  if (typeof resource !== 'string' || !resourcePattern.test(resource)) return undefined;
  if (stateHash !== undefined && stateHash !== null && typeof stateHash !== 'string') return undefined;
  return {
    id,
    time,
    type,
    // The set above holds exactly the kinds of an actor.
    actor: { kind: actorKind as EventEntry['actor']['kind'], id: actorId },
    resource,
    ...(stateHash === undefined ? {} : { stateHash: stateHash === null ? null : parseDigest(stateHash) }),
    // The strict reader gives plain JSON data and nothing else.
    ...(detail === undefined ? {} : { detail: detail as Json }),
  };
}

function fromAscii(bytes: Uint8Array, sizeBytes: number): string {
  return String.fromCharCode(...bytes.subarray(0, sizeBytes));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
