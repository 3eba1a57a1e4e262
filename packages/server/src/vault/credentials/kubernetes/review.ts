import { fromUtf8, parseStrictJson } from '@sallyport/formats';
import { permissionDenied } from '../../errors.ts';
import { isObject, type JsonObject } from '../../fields.ts';
import { type BoundedFetch, fetchTimeoutMs, unavailable } from '../fetch/bounded-fetch.ts';
import type { KubernetesConfig } from './config.ts';

/** What the API server says of a token it knows. */
export interface ReviewedToken {
  readonly userName: string;
  readonly uid: string;
  readonly audiences: readonly string[];
}

const maxReviewBytes = 64 * 1024;
const maxAudiences = 64;

/**
 * Asks the API server whether the token is good for one of `audiences` (TokenReview, authentication.k8s.io/v1); an
 * empty list asks for the audience of the API server itself. Throws `Fault('denied')` when it is not, and
 * `Fault('unavailable')` when there was no answer that can be believed.
 */
export async function reviewToken(
  fetch: BoundedFetch,
  { reviewUrl, caPem, reviewer }: KubernetesConfig & { readonly reviewUrl: URL },
  token: string,
  audiences: readonly string[],
): Promise<ReviewedToken> {
  const answer = await fetch({
    url: reviewUrl,
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${reviewer === undefined ? token : reviewer.exposeUtf8()}`,
    },
    body: JSON.stringify({
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, ...(audiences.length === 0 ? {} : { audiences }) },
    }),
    caPem,
    maxBytes: maxReviewBytes,
    signal: AbortSignal.timeout(fetchTimeoutMs),
  });
  if (answer.status === 401 || answer.status === 403) {
    // A token that reviews itself and is refused is no good. A reviewer that is refused is a matter of the operator.
    if (reviewer === undefined) throw permissionDenied();
    throw unavailable('expected the right to review tokens from the API server, got a refusal');
  }
  // The API server answers 201 Created; others in front of it may say 200.
  if (answer.status !== 200 && answer.status !== 201)
    throw unavailable(`expected a review of the token from the API server, got status ${answer.status}`);
  return readReview(answer.body, audiences);
}

function readReview(body: Uint8Array, audiences: readonly string[]): ReviewedToken {
  let document: unknown;
  try {
    document = parseStrictJson(fromUtf8(body), { maxBytes: maxReviewBytes, maxDepth: 32 });
  } catch (cause) {
    throw unavailable('expected a TokenReview in strict JSON, got something else', cause);
  }
  const status = isObject(document) ? own(document, 'status') : undefined;
  if (!isObject(document) || own(document, 'kind') !== 'TokenReview' || !isObject(status))
    throw unavailable('expected a TokenReview, got something else');
  // Only the word itself: an absent field is no.
  if (own(status, 'authenticated') !== true || (own(status, 'error') ?? '') !== '') throw permissionDenied();
  const user = own(status, 'user');
  const userName = isObject(user) ? own(user, 'username') : undefined;
  const uid = isObject(user) ? own(user, 'uid') : undefined;
  const valid = own(status, 'audiences') ?? [];
  if (typeof userName !== 'string' || typeof uid !== 'string' || !isTextList(valid))
    throw unavailable('expected a TokenReview with user name, uid and audiences');
  // An authenticator that does not know audiences gives none back; it has then not checked them.
  if (audiences.length > 0 && !audiences.some((audience) => valid.includes(audience)))
    throw permissionDenied();
  return { userName, uid, audiences: valid };
}

function own(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function isTextList(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) && value.length <= maxAudiences && value.every((item) => typeof item === 'string')
  );
}
