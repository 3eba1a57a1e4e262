import type { RequestListener } from 'node:http';

/**
 * Answers TokenReviews as kube-apiserver does, and nothing else: Kubernetes API reference, "TokenReview v1
 * authentication.k8s.io" (POST /apis/authentication.k8s.io/v1/tokenreviews, 201 Created, `status.audiences` is the
 * intersection of the token's and the asked, unknown fields are errors in strict validation), and the "Status" object
 * for refusals. Written from the reference; a strict judge of what it is asked.
 */
export interface KnownToken {
  readonly userName: string;
  readonly uid: string;
  readonly audiences: readonly string[];
}

export interface ApiServer {
  readonly tokens: Map<string, KnownToken>;
  /** Who may review; a token always may review itself where `selfReview` is set. */
  readonly reviewers: Set<string>;
  selfReview: boolean;
  readonly listener: RequestListener;
}

const ownAudience = 'https://kubernetes.default.svc';

export function createApiServer(): ApiServer {
  const server: ApiServer = { tokens: new Map(), reviewers: new Set(), selfReview: false, listener };

  function listener(...[request, response]: Parameters<RequestListener>): void {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    request.on('end', () => {
      const [code, body] = answer(request.method, request.url, request.headers, text);
      response.writeHead(code, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
      response.end(JSON.stringify(body));
    });
  }

  function answer(
    method: string | undefined,
    url: string | undefined,
    headers: Readonly<Record<string, unknown>>,
    text: string,
  ): readonly [number, object] {
    if (url !== '/apis/authentication.k8s.io/v1/tokenreviews') return failure(404, 'NotFound');
    if (method !== 'POST') return failure(405, 'MethodNotAllowed');
    if (headers['content-type'] !== 'application/json') return failure(415, 'UnsupportedMediaType');
    const bearer = /^Bearer ([^ ]+)$/.exec(String(headers['authorization']))?.[1] ?? '';
    const known = server.tokens.get(bearer);
    if (known === undefined && !server.reviewers.has(bearer)) return failure(401, 'Unauthorized');
    if (!server.reviewers.has(bearer) && !server.selfReview) return failure(403, 'Forbidden');
    const review = JSON.parse(text) as { spec?: { token?: string; audiences?: readonly string[] } };
    const { spec, ...envelope } = review;
    const fields = [...Object.keys(envelope), ...Object.keys(spec ?? {})].sort().join();
    const expected = ['apiVersion,audiences,kind,token', 'apiVersion,kind,token'];
    const right =
      JSON.stringify(envelope) === '{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview"}';
    if (!right || !expected.includes(fields) || spec?.token === undefined) return failure(400, 'BadRequest');
    return [201, { ...envelope, metadata: { managedFields: [] }, spec, status: statusOf(spec) }];
  }

  function statusOf(spec: { token?: string; audiences?: readonly string[] }): object {
    const token = server.tokens.get(spec.token ?? '');
    const audiences = (spec.audiences ?? [ownAudience]).filter((name) => token?.audiences.includes(name));
    if (token === undefined || audiences.length === 0)
      return { user: {}, error: '[invalid bearer token, token lookup failed]' };
    const groups = ['system:serviceaccounts', 'system:authenticated'];
    return { authenticated: true, user: { username: token.userName, uid: token.uid, groups }, audiences };
  }

  return server;
}

function failure(code: number, reason: string): readonly [number, object] {
  return [code, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason, code }];
}
