/** Bounds of what a server's Cache-Control may ask for, and the choice where it asks for nothing. */
const minFreshMs = 60_000;
const maxFreshMs = 3_600_000;
const defaultFreshMs = 300_000;

/**
 * How long a document is used after its time while its server does not answer. Long enough for the restart of an
 * issuer, which must not lock everybody out; short enough that a key the issuer took back dies: at most 1 h 10 min
 * after the last answer.
 */
const staleMs = 600_000;

/** At most one question per document in this time, whatever tokens ask for and however the last one ended. */
const pauseMs = 10_000;
const maxEntries = 64;

export interface Loaded<T> {
  readonly value: T;
  /** Of the answer that brought the value. */
  readonly cacheControl: string | undefined;
}

export interface DocumentCache<T> {
  /** The document as last loaded, if fresh; else loads it. Throws what `load` threw when even the stale one is too old. */
  get(id: string, load: () => Promise<Loaded<T>>): Promise<T>;
  /** Loads again before its time, because something is missing in it; within the pause it gives what there is. */
  renew(id: string, load: () => Promise<Loaded<T>>): Promise<T>;
}

interface Entry<T> {
  held: { readonly value: T; readonly loadedAt: number; readonly freshMs: number } | undefined;
  askedAt: number;
  failure: unknown;
  pending: Promise<T> | undefined;
}

/**
 * Documents of foreign servers, at most 64, the least used leaves first. Concurrent callers share one load.
 * `monotonicMs` must not be the wall clock: a jump backwards would keep withdrawn keys alive.
 */
export function createDocumentCache<T>(monotonicMs: () => number): DocumentCache<T> {
  const entries = new Map<string, Entry<T>>();

  function entryOf(id: string): Entry<T> {
    const entry = entries.get(id) ?? {
      held: undefined,
      askedAt: Number.NEGATIVE_INFINITY,
      failure: undefined,
      pending: undefined,
    };
    entries.delete(id);
    entries.set(id, entry);
    for (const oldest of entries.keys()) {
      if (entries.size <= maxEntries) break;
      entries.delete(oldest);
    }
    return entry;
  }

  function usable(entry: Entry<T>, extraMs: number): { readonly value: T } | undefined {
    const { held } = entry;
    return held !== undefined && monotonicMs() - held.loadedAt < held.freshMs + extraMs ? held : undefined;
  }

  async function ask(entry: Entry<T>, load: () => Promise<Loaded<T>>): Promise<T> {
    entry.askedAt = monotonicMs();
    entry.failure = undefined;
    try {
      const { value, cacheControl } = await load();
      entry.held = { value, loadedAt: monotonicMs(), freshMs: freshMs(cacheControl) };
      return value;
    } catch (error) {
      entry.failure = error;
      throw error;
    } finally {
      entry.pending = undefined;
    }
  }

  /** One load for all who ask while it runs, and none within the pause: then the last failure is the answer. */
  function shared(entry: Entry<T>, load: () => Promise<Loaded<T>>): Promise<T> {
    if (entry.pending === undefined && monotonicMs() - entry.askedAt < pauseMs) {
      if (entry.failure !== undefined) return Promise.reject(entry.failure);
      if (entry.held !== undefined) return Promise.resolve(entry.held.value);
    }
    entry.pending ??= ask(entry, load);
    return entry.pending;
  }

  return {
    async get(id, load) {
      const entry = entryOf(id);
      const fresh = usable(entry, 0);
      if (fresh !== undefined) return fresh.value;
      try {
        return await shared(entry, load);
      } catch (error) {
        const stale = usable(entry, staleMs);
        if (stale === undefined) throw error;
        return stale.value;
      }
    },

    async renew(id, load) {
      return await shared(entryOf(id), load);
    },
  };
}

/** How long a value may be used, in milliseconds: `max-age` (RFC 9111 section 5.2.2.1) within our bounds. */
function freshMs(cacheControl: string | undefined): number {
  if (cacheControl === undefined) return defaultFreshMs;
  const directives = cacheControl.toLowerCase().split(',', 32);
  const names = directives.map((directive) => directive.trim());
  if (names.includes('no-store') || names.includes('no-cache')) return minFreshMs;
  const maxAge = names.map((name) => /^max-age="?([0-9]{1,10})"?$/.exec(name)?.[1]).find(Boolean);
  if (maxAge === undefined) return defaultFreshMs;
  return Math.min(Math.max(Number(maxAge) * 1000, minFreshMs), maxFreshMs);
}
