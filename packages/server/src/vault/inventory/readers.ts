import type { Call } from '../backend.ts';
import { identityOf } from '../identity/who.ts';
import type { Mount } from '../mounts/mount.ts';
import type { Caller } from '../request/caller.ts';

/** Who reads, under the names by which a secret may declare them as a consumer. */
export interface Reader {
  /** The same however often the reader signs in: its entity, else its role, else what audit calls it. */
  readonly id: string;
  /** For people. */
  readonly name: string;
  readonly aliases: readonly string[];
}

/** Reads of one secret by one reader, added up. Times in milliseconds since the epoch. */
export interface Sighting {
  readonly mountId: string;
  readonly path: string;
  readonly reader: Reader;
  readonly first: number;
  readonly last: number;
  /** The version that was read last; 0 for a secret without versions, or when it is not known. */
  readonly version: number;
  readonly count: number;
}

/**
 * What was read since it was last taken away to be stored. In memory, and cheap: reads are the hot path. Nothing in it is
 * the only trace of anything: each read is in the audit before it is seen here.
 */
export interface Readers {
  saw(
    mount: Mount,
    path: string,
    seen: { readonly reader: Reader; readonly version: number; readonly at: number },
  ): void;
  /** At most `limit` of them, which are not here any more. */
  take(limit: number): readonly Sighting[];
  /** Puts back what could not be stored. */
  giveBack(sightings: readonly Sighting[]): void;
  readonly size: number;
  /** Secrets and readers that found no room since the start: their reads are in the audit only. */
  readonly missed: number;
}

/** About 200 bytes each. Stored every few seconds, so it is reached only by reading ever other secrets. */
const maxSightings = 100_000;
const maxName = 200;

interface Seen {
  first: number;
  last: number;
  version: number;
  count: number;
}

/** By the reader's id: tokens of one role come and go, and what is seen of them adds up. */
type ByReader = Map<string, Seen & { readonly reader: Reader }>;

export function createReaders(): Readers {
  // Mount, path, reader: no key is put together, so a read that was seen before costs three lookups.
  const mounts = new Map<string, Map<string, ByReader>>();
  let size = 0;
  let missed = 0;

  function add(mountId: string, path: string, reader: Reader, seen: Seen): void {
    let paths = mounts.get(mountId);
    let readers = paths?.get(path);
    const before = readers?.get(reader.id);
    if (before !== undefined) {
      if (seen.first < before.first) before.first = seen.first;
      if (seen.last >= before.last) {
        before.last = seen.last;
        before.version = seen.version;
      }
      before.count += seen.count;
      return;
    }
    if (size >= maxSightings) {
      missed += 1;
      return;
    }
    if (paths === undefined) {
      paths = new Map();
      mounts.set(mountId, paths);
    }
    if (readers === undefined) {
      readers = new Map();
      paths.set(path, readers);
    }
    readers.set(reader.id, { reader, ...seen });
    size += 1;
  }

  return {
    saw(mount, path, { reader, version, at }) {
      add(mount.id, path, reader, { first: at, last: at, version, count: 1 });
    },
    take(limit) {
      const taken: Sighting[] = [];
      for (const [mountId, paths] of mounts) {
        for (const [path, readers] of paths) {
          if (taken.length > 0 && taken.length + readers.size > limit) return taken;
          for (const seen of readers.values()) taken.push({ mountId, path, ...seen });
          size -= readers.size;
          paths.delete(path);
        }
        mounts.delete(mountId);
      }
      return taken;
    },
    giveBack(sightings) {
      for (const { mountId, path, reader, first, last, version, count } of sightings)
        add(mountId, path, reader, { first, last, version, count });
    },
    get size() {
      return size;
    },
    get missed() {
      return missed;
    },
  };
}

/** By caller: one object as long as nothing about it changes, and gone with it. */
const known = new WeakMap<Caller, Reader>();
const nobody: Reader = { id: 'nobody', name: 'nobody', aliases: [] };

function readerOf({ turn, caller }: Pick<Call, 'turn' | 'caller'>): Reader {
  if (caller === undefined) return nobody;
  let reader = known.get(caller);
  if (reader === undefined) {
    const { token } = caller;
    reader = readerFrom({
      entityId: token.entityId,
      entityName: identityOf(turn, token.entityId).entity?.name ?? '',
      role: roleOf(token.meta),
      displayName: token.displayName,
    });
    known.set(caller, reader);
  }
  return reader;
}

/** As identity/sign-in.ts names an entity that nobody named. */
const madeUp = /^entity_[0-9a-f]+$/;

/** What the live caller and its audit line both know. */
interface ReaderFacts {
  readonly entityId: string;
  readonly entityName: string;
  readonly role: string;
  readonly displayName: string;
}

export function readerFrom({ entityId, entityName, role, displayName }: ReaderFacts): Reader {
  // `userpass-ada`, `deployment:shop/prod/orders`, `step:publish`: what is behind the first or last of these.
  const bare = [displayName.replace(/^[^-]*-/, ''), displayName.replace(/^.*[:/]/, '')];
  const names = [entityName, role, displayName, ...bare].filter((name) => name !== '');
  const id =
    entityId !== ''
      ? `entity:${entityId}`
      : role !== ''
        ? `role:${displayName}:${role}`
        : `token:${displayName}`;
  // The name that a first login made up tells nobody anything.
  const given = madeUp.test(entityName) ? '' : entityName;
  const called = given || role || displayName || 'a token without a name';
  return {
    id: id.slice(0, 2 * maxName),
    name: called.slice(0, maxName),
    aliases: [...new Set(names.map((name) => name.slice(0, maxName)))],
  };
}

/** As login methods tell it; what they tell is in the audit as well. */
export function roleOf(metadata: Readonly<Record<string, string>>): string {
  return metadata['role_name'] ?? metadata['role'] ?? '';
}

/** What a reply with the value of a secret runs when it is durable. */
export function sighted(call: Call, path: string, version: number): () => void {
  const { core, mount, now } = call;
  const reader = readerOf(call);
  return () => core.readers.saw(mount, path, { reader, version, at: now });
}
