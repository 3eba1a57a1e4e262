import type { Tx } from '../ports.ts';

/** Open transactions with what shall run after their commit. Weak: a transaction that is gone takes its list along. */
const lists = new WeakMap<object, Array<() => void>>();

export function openAfterCommit(tx: Tx): ReadonlyArray<() => void> {
  const list: Array<() => void> = [];
  lists.set(tx, list);
  return list;
}

/** Lets the platform's own parts add to a transaction they were handed. False when `tx` is not a `db.write` one. */
export function addAfterCommit(tx: Tx, then: () => void): boolean {
  const list = lists.get(tx);
  list?.push(then);
  return list !== undefined;
}
