import { Fault, type FaultKind, isFault } from '@sallyport/formats';
import { Type } from 'typebox';
import type { RenderFault } from './types.ts';

/** RFC 9457 problem details, with a stable code, a hint and the id under which the log has the rest. */
export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String(),
    detail: Type.String(),
    hint: Type.Optional(Type.String()),
    requestId: Type.String(),
    details: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  { title: 'Problem' },
);

const statusOfKind: Readonly<Record<FaultKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  denied: 403,
  not_found: 404,
  conflict: 409,
  precondition: 412,
  exhausted: 429,
  unavailable: 503,
  integrity: 422,
  internal: 500,
};

// Faults of HTTP itself that have a status of their own.
const statusOfCode: Readonly<Record<string, number>> = {
  'http.timeout': 408,
  'http.body_too_large': 413,
  'http.media_type': 415,
  'http.headers_too_large': 431,
};

const titles: Readonly<Record<FaultKind, string>> = {
  invalid: 'the request is not valid',
  unauthenticated: 'who you are is not known',
  denied: 'not allowed',
  not_found: 'not found',
  conflict: 'conflicts with what is there',
  precondition: 'a condition is not met',
  exhausted: 'a limit is reached',
  unavailable: 'not available now',
  integrity: 'a check of integrity failed',
  internal: 'an error of the server',
};

export function statusOf(fault: Fault): number {
  return statusOfCode[fault.code] ?? statusOfKind[fault.kind];
}

/**
 * What the outside may see of a fault. A refusal does not explain the policy and an internal error does not explain
 * the machine: both give the request id, under which log and ledger have the reason.
 */
export const renderProblem = ((fault, status, requestId) => {
  const closed = fault.kind === 'denied' || fault.kind === 'internal';
  const problem = {
    type: `https://sallyport.dev/problems/${fault.code}`,
    title: titles[fault.kind],
    status,
    code: fault.code,
    detail: closed ? titles[fault.kind] : fault.message,
    ...(fault.hint === undefined || closed ? {} : { hint: fault.hint }),
    requestId,
    ...(closed || Object.keys(fault.details).length === 0 ? {} : { details: fault.details }),
  };
  return { contentType: 'application/problem+json', body: JSON.stringify(problem) };
}) satisfies RenderFault;

/** Anything thrown, as a Fault: ours as it is, Fastify's own by its code, the rest as internal. */
export function asFault(error: unknown): Fault {
  if (isFault(error)) return error;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const options = { cause: error };
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Fault(
        'exhausted',
        'http.body_too_large',
        'the body is larger than this route takes',
        options,
      );
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new Fault('invalid', 'http.media_type', 'expected content-type application/json', options);
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new Fault(
        'invalid',
        'http.content_length',
        'the body is not as long as content-length says',
        options,
      );
    case 'ECONNRESET':
      return new Fault(
        'invalid',
        'http.aborted',
        'the caller went away before the body was complete',
        options,
      );
    default:
      return new Fault('internal', 'internal.unexpected', 'an unexpected error', options);
  }
}
