import { createHash } from 'node:crypto';
import type { Records } from '../../backend.ts';
import { jsonCodec } from '../../records.ts';

/**
 * Records that end by themselves, one per key. They lie in a directory for the minute of their end, so that what is over
 * is found and removed without a look at the rest: each new one removes some old ones.
 */
export interface Expiring<T> {
  find(store: Records, key: string, now: number): T | undefined;
  /** Takes the place of what was there; ends its life after `now`. */
  put(store: Records, key: string, value: T, now: number): void;
  remove(store: Records, key: string, now: number): void;
  /** How many end in the same minute as one that is made now. */
  besides(store: Records, now: number): number;
}

interface Kept<T> {
  readonly value: T;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

const minuteMs = 60_000;
const tidiedAtOnce = 20;

/** `directory` ends with a slash; `kept` as in `Codec`; times in milliseconds. */
export function createExpiring<T>({
  directory,
  kept,
  lifeMs,
}: {
  readonly directory: string;
  readonly kept: boolean;
  readonly lifeMs: number;
}): Expiring<T> {
  const codec = jsonCodec<Kept<T>>(kept);
  const minuteOf = (time: number): number => Math.floor(time / minuteMs);
  const bucket = (minute: number): string => `${directory}${minute}/`;
  // Keys are what strangers sent, or secret until they are used.
  const nameOf = (key: string): string => createHash('sha256').update(key).digest('base64url');

  function pathOf(store: Records, key: string, now: number): string | undefined {
    const name = nameOf(key);
    for (let minute = minuteOf(now); minute <= minuteOf(now + lifeMs); minute++) {
      const path = bucket(minute) + name;
      if (store.has(path)) return path;
    }
    return undefined;
  }

  function remove(store: Records, key: string, now: number): void {
    const path = pathOf(store, key, now);
    if (path !== undefined) store.delete(path);
  }

  function tidy(store: Records, now: number): void {
    let left = tidiedAtOnce;
    for (const minute of [...store.list(directory)]) {
      if (Number.parseInt(minute, 10) >= minuteOf(now)) return;
      for (const name of [...store.list(directory + minute)]) {
        if (left-- === 0) return;
        store.delete(directory + minute + name);
      }
    }
  }

  return {
    find(store, key, now) {
      const path = pathOf(store, key, now);
      const found = path === undefined ? undefined : store.read(path, codec);
      return found !== undefined && found.expiresAt > now ? found.value : undefined;
    },
    put(store, key, value, now) {
      tidy(store, now);
      remove(store, key, now);
      const expiresAt = now + lifeMs;
      store.write(bucket(minuteOf(expiresAt)) + nameOf(key), codec, { value, expiresAt });
    },
    remove,
    besides: (store, now) => store.list(bucket(minuteOf(now + lifeMs))).length,
  };
}
