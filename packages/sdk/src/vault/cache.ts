import type { VaultSecret } from './secret.ts';
import { copyOf } from './secret.ts';
import type { Timing } from './timing.ts';

export interface CacheOptions {
  /** How long an answer is given without asking again; a lease that ends sooner ends it sooner. */
  readonly seconds: number;
  /** Most answers that are kept; the one that was used longest ago goes first. Default 100. */
  readonly entries?: number;
  /** How much longer it may be given while no server answers. Default 0: then the failure is the answer. */
  readonly staleSeconds?: number;
}

export interface Cache {
  fresh(key: string): VaultSecret | undefined;
  /** Also one whose time is up, for when nobody answers. */
  stale(key: string): VaultSecret | undefined;
  put(key: string, secret: VaultSecret, leaseSeconds: number): void;
  /** Every version of that path. */
  drop(path: string): void;
  clear(): void;
}

interface Entry {
  readonly secret: VaultSecret;
  readonly freshUntil: number;
  readonly cancel: () => void;
}

/** What it keeps and what it gives are copies: a caller may wipe its own, and what leaves the cache is wiped. */
export function createCache(options: CacheOptions | undefined, timing: Timing): Cache {
  const entries = new Map<string, Entry>();
  const most = Math.max(1, options?.entries ?? 100);

  function remove(key: string): void {
    const entry = entries.get(key);
    if (entry === undefined) return;
    entries.delete(key);
    entry.cancel();
    entry.secret.wipe();
  }

  const touched = (key: string): Entry | undefined => {
    const entry = entries.get(key);
    if (entry === undefined) return undefined;
    entries.delete(key);
    entries.set(key, entry);
    return entry;
  };

  return {
    fresh(key) {
      const entry = touched(key);
      return entry !== undefined && timing.now() < entry.freshUntil ? copyOf(entry.secret, false) : undefined;
    },
    stale(key) {
      const entry = touched(key);
      return entry === undefined ? undefined : copyOf(entry.secret, true);
    },
    put(key, secret, leaseSeconds) {
      remove(key);
      if (options === undefined) return;
      const seconds = leaseSeconds > 0 ? Math.min(options.seconds, leaseSeconds) : options.seconds;
      const lease = leaseSeconds > 0 ? leaseSeconds : Number.POSITIVE_INFINITY;
      const kept = Math.min(seconds + (options.staleSeconds ?? 0), lease);
      if (kept <= 0) return;
      // Its own timer: a value nobody asks for again must not stay in memory either.
      const cancel = timing.after(kept * 1000, () => remove(key));
      entries.set(key, { secret: copyOf(secret, false), freshUntil: timing.now() + seconds * 1000, cancel });
      for (const oldest of entries.keys()) {
        if (entries.size <= most) break;
        remove(oldest);
      }
    },
    drop(path) {
      for (const key of [...entries.keys()]) if (key.startsWith(`${path}?`)) remove(key);
    },
    clear() {
      for (const key of [...entries.keys()]) remove(key);
    },
  };
}

export const cacheKey = (path: string, version: number | undefined): string => `${path}?${version ?? ''}`;
