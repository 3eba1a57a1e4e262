import type { Turn } from '#journal';
import type { Reply } from '../backend.ts';
import type { Core } from '../core.ts';
import type { JsonObject } from '../fields.ts';
import { envelope } from '../request/render.ts';
import { cubbyholePath, type TokenEntry } from '../tokens/entry.ts';
import { type Issued, issue } from '../tokens/issue.ts';

export const wrappingPolicyName = 'response-wrapping';

/** Lets a wrapping token do the one thing it is for. */
export const wrappingPolicyText = `
path "cubbyhole/response" { capabilities = ["create", "read"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
`;

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
  const ttl = Math.min(wrapped.seconds, maxWrapSeconds);
  const issued = issue(turn, core, {
    type: 'service',
    path: wrapped.path,
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
    wraps: { path: wrapped.path, createdAt: turn.now, ttl },
  });
  turn
    .space('system')
    .put(responsePath(issued.entry.accessor), envelope(wrapped.reply, wrapped.requestId, wrapped.mountType));
  return { reply: { wrap: wrapInfoOf(issued, wrapped.accessor) }, issued };
}

/** What the token wraps, for whoever holds it, once: the caller revokes the token in the same turn. */
export function findWrapped(turn: Turn, entry: TokenEntry): Buffer | undefined {
  return entry.wraps === undefined ? undefined : turn.space('system').get(responsePath(entry.accessor));
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
