import type { Transaction } from 'kysely';

/**
 * The ports every context is given. They are types only, so that a context depends on a promise and not on the
 * code that keeps it; `app/compose.ts` passes the real ones in.
 */

/** A database transaction. Stores narrow it to their own tables with `tablesOf<T>(tx)`. */
export type Tx = Transaction<Record<never, never>>;

export interface Db {
  /** Which engine is underneath; for reports, never for branching in a context. */
  readonly engine: 'pglite' | 'postgres';
  /**
   * Runs `work` in one read-write transaction, commits when it resolves, rolls back when it throws.
   * `work` is short and makes no network, sandbox or file call. Serialization failures are retried with a fresh
   * transaction (so `work` may run more than once and must have no side effect but `tx`).
   * Functions passed to `afterCommit` run once, after a durable commit, never on rollback.
   */
  write<T>(work: (tx: Tx, afterCommit: (then: () => void) => void) => Promise<T>): Promise<T>;
  /** Runs `work` in one read-only, repeatable-read transaction. */
  read<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /**
   * Runs `work`, which makes exactly one statement, as a transaction of its own without the round trips of one: for
   * statements that many requests wait for. Durable when it resolves; on a throw it is not known whether it happened.
   */
  statement<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
}

export interface Clock {
  now(): Date;
}

export interface Random {
  /** `sizeBytes` bytes from the operating system's generator. */
  bytes(sizeBytes: number): Uint8Array;
}

export interface Ids {
  /** A new id, sortable by time (UUID version 7, RFC 9562 section 5.7), with a prefix that names the kind: `run_0199…`. */
  next(prefix: string): string;
}

/** Who acts. `id` is stable and goes into the ledger; `name` is for people. */
export interface Actor {
  readonly kind: 'person' | 'workload' | 'agent' | 'step' | 'system';
  readonly id: string;
  readonly name: string;
  readonly policies: readonly string[];
  /** Groups a person belongs to; approvals ask for them. */
  readonly groups: readonly string[];
  /** For a step: the run it belongs to and the environment and so on, as issued in its identity token. */
  readonly claims?: Readonly<Record<string, string>>;
  /** The end of the token that they came with. */
  readonly signedInUntil?: Date;
}

export const systemActor: Actor = {
  kind: 'system',
  id: 'system',
  name: 'sallyport',
  policies: [],
  groups: [],
};

export type Capability = 'create' | 'read' | 'update' | 'delete' | 'list' | 'approve';

/** Throws `Fault('denied')` unless a policy of the actor allows `capability` on `path`. Deny by default. */
export type Authorize = (actor: Actor, capability: Capability, path: string) => Promise<void>;

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** One change of state, as it goes into the ledger. */
export interface LedgerEvent {
  /** `context.thing.verb`, past tense: `release.promotion.approved`. */
  readonly type: string;
  readonly actor: Pick<Actor, 'kind' | 'id'>;
  /** The thing that changed, `kind/id`: `promotion/prm_…`. */
  readonly resource: string;
  /**
   * The thing's whole audited state after the change (no secret, no ciphertext that rewrap may change), or null when
   * it no longer exists. `sally ledger verify` compares its hash with what the tables say now.
   * Leave it out for an event that changes no row (an access, a refusal).
   */
  readonly state?: Json;
  /** Facts of the event for the reader: reason, from, to. Never a secret. */
  readonly detail?: Json;
}

/**
 * Writes `event` in the caller's transaction: both are durable or neither is. The ledger numbers and hashes it
 * shortly after the commit.
 */
export interface Audit {
  record(tx: Tx, event: LedgerEvent): Promise<void>;
}

/** How a context lets `ledger verify` compare its tables with what the ledger says. One per resource kind. */
export interface AuditedTable {
  /** The `kind` before the slash in `LedgerEvent.resource`. */
  readonly kind: string;
  /** All rows now, as `[resource, state]` with exactly the state that was last recorded. */
  states(tx: Tx): Promise<ReadonlyArray<readonly [resource: string, state: Json]>>;
}

/**
 * Wakes state machines. The queue holds no state of ours: a handler is an idempotent `advance(id)` and is called at
 * least once after the wake's transaction commits, also after a crash, at `notBefore` at the earliest.
 */
export interface Jobs {
  wake(tx: Tx, queue: string, id: string, options?: { readonly notBefore?: Date }): Promise<void>;
  /** Registers the handler of a queue, before `start`. A throw is retried with backoff. */
  handle(queue: string, handler: (id: string) => Promise<void>): void;
  /** Runs `tick` every `everySeconds` on one replica at a time (advisory lock); errors are logged, not thrown. */
  every(name: string, everySeconds: number, tick: () => Promise<void>): void;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** SQL of one context, applied in order of `name` (`ledger/0001-entries`), each in its own transaction, once. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}
