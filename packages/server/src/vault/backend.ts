import type { Fault } from '@sallyport/formats';
import type { Space, Turn } from '#journal';
import type { RawJson } from './audit/json-walk.ts';
import type { Core } from './core.ts';
import type { Fields, JsonObject } from './fields.ts';
import type { Mount } from './mounts/mount.ts';
import type { Caller } from './request/caller.ts';
import type { Incoming } from './request/incoming.ts';
import type { Issued } from './tokens/issue.ts';
import type { NewLogin } from './tokens/login.ts';

/**
 * What an engine or a login method is: a table of paths. The core routes, authorises, audits and renders; a handler
 * gets a parsed call and gives a reply.
 */
export interface Backend {
  readonly type: string;
  readonly description: string;
  readonly paths: readonly PathSpec[];
  /** Runs in the turn in which the mount is made. */
  readonly onMount?: (mounting: Mounting) => void;
}

/** One path below a mount, and what may be done with it. */
export interface PathSpec {
  /**
   * Literal segments, `:name` for one segment, and at the end `:name*` for the rest, which may be empty and may hold
   * slashes. The first pattern of the table that matches is taken.
   */
  readonly pattern: string;
  /** One line, for `?help=1` and the OpenAPI document. */
  readonly synopsis: string;
  readonly description?: string;
  /** The fields of a write, for help and OpenAPI. */
  readonly fields?: Readonly<Record<string, FieldDoc>>;
  /** Answers without a token; the reason is part of the declaration. */
  readonly open?: { readonly reason: string };
  /** Needs the capability sudo as well. */
  readonly sudo?: true;
  /** Where a write may be a creation: whether the thing is there. Without it every write is an update. */
  readonly exists?: (call: Call) => boolean;
  /** Makes what depends on the request alone, before it is known whether it is allowed: bounded, and without a throw. */
  readonly ahead?: (request: Incoming, core: Core) => void;
  readonly on: Readonly<Partial<Record<Verb, Handler>>>;
}

export interface FieldDoc {
  readonly type: 'string' | 'integer' | 'boolean' | 'duration' | 'list' | 'map' | 'object';
  readonly doc: string;
}

/** What is done, as policies name it; `help` needs no right but a token. */
export type Verb = 'create' | 'read' | 'update' | 'patch' | 'delete' | 'list';

/**
 * Decides synchronously, in a turn: all state it needs is in memory. It may be called more than once for one request
 * and must change nothing but records. A Fault it throws undoes its changes and is the answer.
 */
export type Decider = (call: Call) => Reply;

/** For what is slow or leaves the process: prepared before the turn, outside of the lane, then decided in it. */
export interface Prepared<P> {
  /** Sees the state of a moment ago; whatever it relies on is checked again in `decide`. Aborted by `signal`. */
  readonly prepare: (call: Call, signal: AbortSignal) => Promise<P>;
  readonly decide: (call: Call, prepared: P) => Reply;
}

// The type of what is prepared is known to its own pair only; see `prepared`.
export type Handler = Decider | Prepared<unknown>;

/** Ties the two halves of a prepared handler together. */
export function prepared<P>(handler: Prepared<P>): Handler {
  return handler as Prepared<unknown>;
}

export interface Call {
  readonly request: Incoming;
  readonly verb: Verb;
  /** Below the mount, without a slash at its end. */
  readonly path: string;
  /** What `:name` matched. */
  readonly params: Readonly<Record<string, string>>;
  readonly fields: Fields;
  readonly mount: Mount;
  /** The mount's own records, under the key of its environment. */
  readonly store: Records;
  readonly turn: Turn;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Absent on open paths. */
  readonly caller: Caller | undefined;
  readonly core: Core;
}

export interface Mounting {
  readonly mount: Mount;
  readonly store: Records;
  readonly now: number;
}

/** The records below one mount: a Space whose paths begin with the mount's id. */
export type Records = Omit<Space, 'scope'>;

export interface Reply {
  /** `200` with a body or `204` without; only the refusals that clients know by their body set it (404 with data). */
  readonly status?: number;
  /** Raw JSON was never made into texts, and is wiped as soon as it is part of an answer. */
  readonly data?: JsonObject | RawJson;
  /** The core makes a token of it. */
  readonly login?: NewLogin;
  /** An answer in a form of its own: OpenAPI, PEM, metrics. */
  readonly raw?: { readonly contentType: string; readonly body: Buffer };
  readonly warnings?: readonly string[];
  /** The answer is this, as if it had been thrown, but what was changed stays: for refusals that are counted. */
  readonly refusal?: Fault;
  /** Also as fields of the answer itself, beside `data`: what clients of `sys/mounts` and its like read. */
  readonly flat?: true;
  /** Nothing but the fields of `data`: `sys/health`, `sys/seal-status`. */
  readonly bare?: true;
  readonly auth?: JsonObject;
  /** A token the handler made itself, to be answered as `auth`. */
  readonly issued?: Issued;
  readonly wrap?: JsonObject;
  /** A wrapping token the handler made itself, to be answered as `wrap`. */
  readonly wrapped?: Issued;
  readonly lease?: { readonly id: string; readonly seconds: number; readonly renewable: boolean };
  readonly headers?: Readonly<Record<string, string>>;
  /** Runs when the answer is durable, before it is sent: sealing, revoking what others hold. */
  readonly after?: () => void | Promise<void>;
  /**
   * Runs last, and only when nothing keeps the answer from leaving: for what must not happen unless the client learns of
   * it, such as new shares. When it fails, its failure is the answer.
   */
  readonly beforeSent?: () => Promise<void>;
  /** What policies say about wrapping does not matter here: the answer is about wrapping itself. */
  readonly unwrappable?: true;
}
