/** Remembers what was made lately: the last `limit` entries at least, twice as many at most. */
export interface Recent<K, V> {
  find(key: K): V | undefined;
  keep(key: K, value: V): void;
}

/** Two generations: what is asked for again moves into the younger one, and the elder one goes as a whole. */
export function createRecent<K, V>(limit: number): Recent<K, V> {
  let young = new Map<K, V>();
  let old = new Map<K, V>();

  function keep(key: K, value: V): void {
    if (young.size >= limit) {
      old = young;
      young = new Map();
    }
    young.set(key, value);
  }

  return {
    find(key) {
      const value = young.get(key);
      if (value !== undefined) return value;
      const former = old.get(key);
      if (former !== undefined) keep(key, former);
      return former;
    },
    keep,
  };
}
