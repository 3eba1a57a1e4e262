import type { Clock } from '#platform';

export interface Expiring<T> {
  readonly value: T;
  /** Milliseconds since the epoch; `undefined` for what does not expire. */
  readonly expiresAt: number | undefined;
}

/** What was fetched is used until this long before it ends. */
const marginMs = 120_000;

/** Keeps one credential until shortly before it expires. Requests at the same time wait for one fetch. */
export function createCached<T>(clock: Clock, fetchOne: () => Promise<Expiring<T>>): () => Promise<T> {
  let known: Expiring<T> | undefined;
  let pending: Promise<Expiring<T>> | undefined;
  return async () => {
    const now = clock.now().getTime();
    if (known !== undefined && (known.expiresAt === undefined || known.expiresAt - marginMs > now)) {
      return known.value;
    }
    pending ??= fetchOne().finally(() => {
      pending = undefined;
    });
    known = await pending;
    return known.value;
  };
}
