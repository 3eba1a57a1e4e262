import type { Tx } from '#platform';

/** The newest list: the one row there is. Older ones are evidence. */
export interface IssuedList {
  readonly sequence: number;
  /** The predicate, canonical JSON. */
  readonly predicate: string;
}

/** All verbs run in the caller's transaction and are as durable as it is. */
export interface RevocationStore {
  /** Until the transaction ends, nobody else issues a list. */
  lock(tx: Tx): Promise<void>;
  newest(tx: Tx): Promise<IssuedList | undefined>;
  /** Without the list itself: asked often. */
  newestSequence(tx: Tx): Promise<number | undefined>;
  replace(tx: Tx, list: IssuedList): Promise<void>;
  /** The lowest place in the log of evidence signed at or after a time; undefined when none has a place yet. */
  firstIndexSince(tx: Tx, at: Date): Promise<number | undefined>;
}
