import type { FaultKind } from '@sallyport/formats';
import type { RenderFault } from '#platform';

/** Codes of google.rpc.Code, which clients of fulcio read out of the answer. */
const codes: Readonly<Record<FaultKind, number>> = {
  invalid: 3,
  unauthenticated: 16,
  denied: 7,
  not_found: 5,
  conflict: 6,
  precondition: 9,
  exhausted: 8,
  unavailable: 14,
  integrity: 15,
  internal: 13,
};

/** An error as grpc-gateway writes it. A refusal says no more than that; the log has the reason under the request id. */
export const renderGrpcFault: RenderFault = (fault, _status, requestId) => {
  const closed = fault.kind === 'internal' || fault.kind === 'integrity';
  const message = closed ? 'an error of the server' : fault.message;
  const hint = closed || fault.hint === undefined ? '' : ` (${fault.hint})`;
  return {
    contentType: 'application/json',
    body: JSON.stringify({
      code: codes[fault.kind],
      message: `${message}${hint}; request ${requestId}`,
      details: [],
    }),
  };
};
