import { Type } from 'typebox';
import { tileRoutes } from '#ledger';
import type { RenderFault, Routes } from '#platform';
import type { RekorWriters } from './admission.ts';
import type { Rekor } from './rekor.ts';
import { CreateEntry, readRequestV2 } from './tiled-request.ts';

/** gRPC's codes, as its gateway puts them into JSON. */
const grpcCodes: Readonly<Record<string, number>> = {
  invalid: 3,
  not_found: 5,
  conflict: 6,
  denied: 7,
  exhausted: 8,
  precondition: 9,
  unavailable: 14,
  unauthenticated: 16,
};

const renderFault: RenderFault = (fault, _status, requestId) => {
  const closed = fault.kind === 'denied' || fault.kind === 'internal';
  const index = fault.details['logIndex'];
  return {
    contentType: 'application/json',
    body: JSON.stringify({
      code: grpcCodes[fault.kind] ?? 13,
      message: closed ? `refused, request ${requestId}` : fault.message,
      details: [],
    }),
    ...(typeof index === 'number' ? { headers: { 'x-log-index': String(index) } } : {}),
  };
};

const maxRequestBytes = 6 * 1024 * 1024;

/** Who may call a route that writes: the certificate in the entry says who it is, or a token does. */
export function accessOf(writers: RekorWriters) {
  return writers === 'authenticated'
    ? ({ kind: 'authenticated', reason: 'the log takes entries of everybody with a token' } as const)
    : ({ kind: 'public', reason: 'the certificate in the entry is what admits it' } as const);
}

/** Rekor's second API: entries in, tiles out. Hashes and checkpoints are public, entries as in the ledger are not. */
export function rekorV2Routes(rekor: Rekor, writers: RekorWriters): Routes {
  const { ledger } = rekor;
  return (http) => {
    http.route({
      method: 'POST',
      path: '/api/v2/log/entries',
      summary: 'log a signature over a digest, or an envelope; answers with its proof (Rekor v2)',
      access: accessOf(writers),
      body: CreateEntry,
      bodyLimitBytes: maxRequestBytes,
      status: 201,
      response: Type.Unknown(),
      renderFault,
      handle: ({ actor, body }) => rekor.addV2(actor, readRequestV2(body)),
    });
    tileRoutes(ledger, { prefix: '/api/v2', checkpoint: ledger.checkpoint, renderFault })(http);
  };
}
