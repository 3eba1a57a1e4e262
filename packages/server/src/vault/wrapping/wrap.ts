import type { Turn } from '#journal';
import type { Reply } from '../backend.ts';
import type { Core } from '../core.ts';
import type { JsonObject } from '../fields.ts';
import { wrappingPolicyName } from '../policies/wrapping-policy.ts';
import { envelope } from '../request/render.ts';
import { cubbyholePath, type TokenEntry } from '../tokens/entry.ts';
import { type Issued, issue } from '../tokens/issue.ts';
import { revokeToken } from '../tokens/tokens.ts';

const maxWrapSeconds = 32 * 24 * 3600;

/** Puts an answer behind a token that gives it once, and the token's facts in its place. */
export function wrapReply(
  turn: Turn,
  core: Core,
  wrapped: {
    readonly reply: Reply;
    readonly requestId: string;
    readonly mountType: string;
    readonly path: string;
    readonly seconds: number;
    readonly accessor?: string;
  },
): { readonly reply: Reply; readonly issued: Issued } {
  const body = envelope(wrapped.reply, wrapped.requestId, wrapped.mountType);
  const issued = keep(turn, core, { body, path: wrapped.path, seconds: wrapped.seconds });
  return { reply: { wrap: wrapInfoOf(issued, wrapped.accessor) }, issued };
}

/**
 * What the token wraps, once: the token is revoked in the same turn, so that of two who ask, also in one batch, one
 * gets nothing. `undefined` for a token that wraps nothing. The caller wipes the bytes.
 */
export function takeWrapped(turn: Turn, entry: TokenEntry): Buffer | undefined {
  const body = entry.wraps === undefined ? undefined : turn.space('system').get(responsePath(entry.accessor));
  if (body !== undefined) revokeToken(turn, entry.accessor);
  return body;
}

/** Moves what a token wraps behind a new one that lives as long as the first one did; the old one is revoked. */
export function rewrap(turn: Turn, core: Core, entry: TokenEntry): Issued | undefined {
  const { wraps } = entry;
  const body = takeWrapped(turn, entry);
  if (wraps === undefined || body === undefined) return undefined;
  return keep(turn, core, { body, path: wraps.path, seconds: wraps.ttl });
}

function keep(
  turn: Turn,
  core: Core,
  { body, path, seconds }: { readonly body: Buffer; readonly path: string; readonly seconds: number },
): Issued {
  const ttl = Math.min(seconds, maxWrapSeconds);
  const issued = issue(turn, core, {
    type: 'service',
    path,
    displayName: '',
    policies: [wrappingPolicyName],
    meta: {},
    numUses: 1,
    orphan: true,
    entityId: '',
    ttl,
    maxTtl: ttl,
    explicitMaxTtl: ttl,
    period: 0,
    renewable: false,
    boundCidrs: [],
    environments: ['*'],
    wraps: { path, createdAt: turn.now, ttl },
  });
  turn.space('system').put(responsePath(issued.entry.accessor), body);
  return issued;
}

function responsePath(accessor: string): string {
  return `${cubbyholePath(accessor)}response`;
}

export function wrapInfoOf({ token, entry }: Issued, accessor?: string): JsonObject {
  return {
    token,
    accessor: entry.accessor,
    ttl: entry.ttl,
    creation_time: new Date(entry.createdAt).toISOString(),
    creation_path: entry.wraps?.path ?? '',
    ...(accessor === undefined ? {} : { wrapped_accessor: accessor }),
  };
}
