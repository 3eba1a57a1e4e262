import type { Fault } from '@sallyport/formats';
import type { RenderFault } from '#platform';
import { type Action, scopeText } from '../access/scope.ts';
import type { AccessTokens } from '../access/tokens.ts';
import { parseTarget } from './path.ts';

/** OCI distribution 1.1, "Error Codes": what clients of this protocol understand, and the status they expect with it. */
const table: Readonly<Record<string, readonly [status: number, code: string]>> = {
  'registry.name_invalid': [400, 'NAME_INVALID'],
  'registry.name_unknown': [404, 'NAME_UNKNOWN'],
  'registry.tag_invalid': [400, 'MANIFEST_INVALID'],
  // OCI distribution 1.2, "Pushing Manifests with Tags".
  'registry.tags_too_many': [414, 'MANIFEST_INVALID'],
  'registry.digest_invalid': [400, 'DIGEST_INVALID'],
  'registry.digest_mismatch': [400, 'DIGEST_INVALID'],
  'registry.size_invalid': [413, 'SIZE_INVALID'],
  'registry.blob_unknown': [404, 'BLOB_UNKNOWN'],
  'registry.upload_unknown': [404, 'BLOB_UPLOAD_UNKNOWN'],
  'registry.upload_busy': [409, 'BLOB_UPLOAD_INVALID'],
  'registry.chunk_invalid': [400, 'BLOB_UPLOAD_INVALID'],
  'registry.range_invalid': [416, 'BLOB_UPLOAD_INVALID'],
  'registry.range_unsatisfiable': [416, 'SIZE_INVALID'],
  'registry.manifest_unknown': [404, 'MANIFEST_UNKNOWN'],
  'registry.manifest_invalid': [400, 'MANIFEST_INVALID'],
  'registry.manifest_blob_unknown': [404, 'MANIFEST_BLOB_UNKNOWN'],
  'registry.tag_immutable': [403, 'DENIED'],
  'registry.in_use': [403, 'DENIED'],
  'registry.scope_invalid': [400, 'UNSUPPORTED'],
  'registry.token_request': [400, 'UNSUPPORTED'],
  'registry.method': [405, 'UNSUPPORTED'],
  // 507 Insufficient Storage: clients do not retry it, as they would a 503, into the same full disk.
  'registry.disk_full': [507, 'UNAVAILABLE'],
};

const byKind: Readonly<Record<Fault['kind'], string>> = {
  invalid: 'UNSUPPORTED',
  unauthenticated: 'UNAUTHORIZED',
  denied: 'DENIED',
  not_found: 'NAME_UNKNOWN',
  conflict: 'DENIED',
  precondition: 'DENIED',
  exhausted: 'TOOMANYREQUESTS',
  unavailable: 'UNAVAILABLE',
  integrity: 'UNKNOWN',
  internal: 'UNKNOWN',
};

/** The status of a fault of this context, or undefined to leave it to the platform. */
export function dockerStatus(fault: Fault): number | undefined {
  return table[fault.code]?.[0];
}

/** Where a client finds the token it needs; without a token service, that it may send Basic credentials. */
export type Challenge = Pick<AccessTokens, 'realm' | 'service'> | undefined;

/** Docker's error bodies, and with a 401 what the client has to bring (token specification, "How to authenticate"). */
export const renderDockerError =
  (challenge: Challenge): RenderFault =>
  (fault, _status, requestId, request) => {
    const code = table[fault.code]?.[1] ?? byKind[fault.kind];
    // What a policy says stays inside; what the protocol itself refuses (an immutable tag) is for the client to read.
    const closed = fault.kind === 'internal' || fault.kind === 'integrity' || fault.kind === 'denied';
    const message = closed ? 'not allowed, or not possible; see the request id' : fault.message;
    const detail = {
      ...(closed ? {} : fault.details),
      ...(fault.hint && !closed ? { hint: fault.hint } : {}),
      requestId,
    };
    return {
      contentType: 'application/json',
      body: JSON.stringify({ errors: [{ code, message, detail }] }),
      headers:
        fault.kind === 'unauthenticated'
          ? { 'www-authenticate': challengeText(challenge, fault, request) }
          : {},
    };
  };

function challengeText(
  challenge: Challenge,
  fault: Fault,
  request: { readonly method: string; readonly path: string },
): string {
  if (challenge === undefined) return 'Basic realm="sallyport", charset="UTF-8"';
  const { realm, service } = challenge;
  const scope = scopeOf(request);
  const error = fault.code === 'registry.scope_insufficient' ? ',error="insufficient_scope"' : '';
  return `Bearer realm="${realm}",service="${service}"${scope === '' ? '' : `,scope="${scope}"`}${error}`;
}

/** What a request to this path needs. A path that means nothing needs nothing: it is refused whoever asks. */
function scopeOf({ method, path }: { readonly method: string; readonly path: string }): string {
  const actions: readonly Action[] =
    method === 'GET' || method === 'HEAD' ? ['pull'] : method === 'DELETE' ? ['delete'] : ['pull', 'push'];
  try {
    return scopeText([{ repository: parseTarget(path.slice('/v2/'.length)).repository, actions }]);
  } catch {
    return '';
  }
}
