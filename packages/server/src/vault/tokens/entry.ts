import { type RecordAt, recordIn, type Turn } from '#journal';
import type { Records } from '../backend.ts';
import { jsonCodec } from '../records.ts';

/** What is kept about a token: everything but the token. */
export interface TokenEntry {
  /** Names the token, and cannot be used as one: a keyed hash of it. */
  readonly accessor: string;
  readonly type: 'service' | 'batch';
  /** Where it was made, such as `auth/approle/login`. */
  readonly path: string;
  readonly displayName: string;
  readonly policies: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  /** Uses left; 0 is without limit. */
  readonly numUses: number;
  readonly orphan: boolean;
  readonly parent?: string;
  readonly entityId: string;
  readonly role?: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly renewedAt?: number;
  /** Milliseconds since the epoch; 0 is never. */
  readonly expiresAt: number;
  /** Seconds. */
  readonly ttl: number;
  readonly creationTtl: number;
  readonly maxTtl: number;
  readonly explicitMaxTtl: number;
  readonly period: number;
  readonly renewable: boolean;
  readonly boundCidrs: readonly string[];
  /** The environments whose mounts it may reach; `*` is all. */
  readonly environments: readonly string[];
  /** For a wrapping token: where the wrapped answer came from. */
  readonly wraps?: { readonly path: string; readonly createdAt: number; readonly ttl: number };
}

export const tokenCodec = jsonCodec<TokenEntry>(true);

/**
 * Where tokens are. All in the system's scope: a token must be found before it is known whose it is.
 *
 * - `token/id/<accessor>`: the entry
 * - `token/child/<parent>/<accessor>`: what goes when the parent goes
 * - `token/expire/<seconds, 12 digits>/<accessor>`: what is due when
 * - `token/cubbyhole/<accessor>/…`: what only this token may read
 */
export function tokenSpace(turn: Turn): Records {
  return turn.space('system');
}

export const entryDirectory = 'token/id/';
export const entryPath = (accessor: string): RecordAt => recordIn(entryDirectory, accessor);
export const childPath = (parent: string, accessor: string): string => `token/child/${parent}/${accessor}`;
export const cubbyholePath = (accessor: string): string => `token/cubbyhole/${accessor}/`;

export function expirePath(expiresAt: number, accessor: string): string {
  return `token/expire/${String(Math.ceil(expiresAt / 1000)).padStart(12, '0')}/${accessor}`;
}
