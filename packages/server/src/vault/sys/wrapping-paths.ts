import { RawJson } from '../audit/json-walk.ts';
import type { Call, PathSpec, Reply } from '../backend.ts';
import { badRequest, permissionDenied } from '../errors.ts';
import type { TokenEntry } from '../tokens/entry.ts';
import { accessorOf } from '../tokens/secret.ts';
import { findToken } from '../tokens/tokens.ts';
import { spendUse } from '../tokens/uses.ts';
import { rewrap, takeWrapped } from '../wrapping/wrap.ts';

const tokenField: PathSpec['fields'] = {
  token: { type: 'string', doc: "The wrapping token; absent, it is the request's own." },
};

/** Answers behind tokens that give them once. */
export const wrappingPaths: readonly PathSpec[] = [
  {
    pattern: 'wrapping/wrap',
    synopsis: 'Wrap the fields of the request. Needs the header X-Vault-Wrap-TTL.',
    on: { update: wrap },
  },
  {
    pattern: 'wrapping/unwrap',
    synopsis: 'What a wrapping token wraps, once.',
    fields: tokenField,
    // A wrapping token that was used, or never was one, gets an answer that tells an interception from a missing right.
    open: { reason: 'the wrapping token is the right; with one in the body the policies are asked as well' },
    on: { update: unwrap },
  },
  {
    pattern: 'wrapping/lookup',
    synopsis: 'When and where a wrapping token was made; it can be used afterwards.',
    fields: tokenField,
    open: { reason: 'who holds a wrapping token may see whether it is what was promised, before using it' },
    on: { read: lookup, update: lookup },
  },
  {
    pattern: 'wrapping/rewrap',
    synopsis: 'Exchange a wrapping token for a new one of the same content.',
    fields: tokenField,
    on: { update: rewrapToken },
  },
];

function wrap(call: Call): Reply {
  if (call.request.wrapSeconds === undefined) {
    throw badRequest('endpoint requires response wrapping to be used');
  }
  const { bodyBytes } = call.request;
  // The bytes as they came: what is wrapped comes out as it went in, numbers of many digits too.
  return { data: bodyBytes.length === 0 ? call.fields.raw : new RawJson(Buffer.from(bodyBytes)) };
}

function unwrap(call: Call): Reply {
  const entry = wrappingToken(call);
  if (call.fields.has('token')) requireOwnRight(call);
  const body = takeWrapped(call.turn, entry);
  if (body === undefined) throw badRequest('wrapping token is not valid or does not exist');
  // For the audit, which wipes its own.
  return {
    data: new RawJson(Buffer.from(body)),
    raw: { contentType: 'application/json', body },
    unwrappable: true,
  };
}

/** With a token of somebody else's in the body the caller needs what the path would need if it were not open. */
function requireOwnRight(call: Call): void {
  const { caller, request, turn } = call;
  const verdict = caller?.acl.check({
    operation: 'update',
    path: request.path,
    data: request.body,
    wrapTtlSeconds: request.wrapSeconds,
  });
  if (caller === undefined || verdict?.allowed !== true) throw permissionDenied();
  spendUse(turn, caller.token);
}

function lookup(call: Call): Reply {
  const { wraps } = wrappingToken(call);
  if (wraps === undefined) throw badRequest('wrapping token is not valid or does not exist');
  return {
    data: {
      creation_path: wraps.path,
      creation_time: new Date(wraps.createdAt).toISOString(),
      creation_ttl: wraps.ttl,
    },
    unwrappable: true,
  };
}

function rewrapToken(call: Call): Reply {
  const issued = rewrap(call.turn, call.core, wrappingToken(call));
  if (issued === undefined) throw badRequest('wrapping token is not valid or does not exist');
  return { wrapped: issued, unwrappable: true };
}

/** The wrapping token that is meant; the same refusal for whatever is none, so that nothing is told of other tokens. */
function wrappingToken(call: Call): TokenEntry {
  const token = call.fields.findText('token') ?? call.request.token;
  if (token === undefined || token === '') throw badRequest('missing "token" value in input');
  const accessor = accessorOf(call.core.tokenKey, token);
  const entry = accessor === undefined ? undefined : findToken(call.turn, accessor);
  if (entry?.wraps === undefined) throw badRequest('wrapping token is not valid or does not exist');
  return entry;
}
