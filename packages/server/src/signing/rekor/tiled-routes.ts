import { Fault, parseTilePath, utf8 } from '@sallyport/formats';
import { Type } from 'typebox';
import type { RenderFault, Routes, StreamReply } from '#platform';
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

const forever = 'max-age=31536000, immutable';
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
    http.stream({
      method: 'GET',
      path: '/api/v2/checkpoint',
      summary: 'the newest checkpoint (Rekor v2)',
      access: { kind: 'public', reason: 'witnesses and verifiers read tree heads without an account' },
      renderFault,
      handle: async (_request, reply) => {
        await reply
          .headers({ 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-cache' })
          .send(utf8(await ledger.checkpoint()));
      },
    });
    http.stream({
      method: 'GET',
      path: '/api/v2/tile/*',
      summary: 'a tile of hashes (Rekor v2)',
      access: { kind: 'public', reason: 'proofs are checked without an account; hashes tell nothing' },
      renderFault,
      handle: async ({ params }, reply) => {
        const { level, index, width } = tileOf(params['*']);
        if (level === 'entries') throw noTile();
        await send(reply, 'public', await ledger.tile(level, index, width));
      },
    });
    http.stream({
      method: 'GET',
      path: '/api/v2/tile/entries/*',
      summary: 'a bundle of up to 256 entries (Rekor v2)',
      access: { kind: 'allowed', capability: 'read', path: () => 'ledger' },
      renderFault,
      handle: async ({ params }, reply) => {
        const { index, width } = tileOf(`entries/${params['*']}`);
        await send(reply, 'private', await ledger.entryBundle(index, width));
      },
    });
  };
}

function tileOf(rest: string) {
  try {
    return parseTilePath(`tile/${rest}`);
  } catch (cause) {
    throw noTile(cause);
  }
}

async function send(reply: StreamReply, who: 'public' | 'private', bytes: Uint8Array | undefined) {
  if (bytes === undefined) throw noTile();
  await reply
    .headers({ 'content-type': 'application/octet-stream', 'cache-control': `${who}, ${forever}` })
    .send(bytes);
}

function noTile(cause?: unknown): Fault {
  return new Fault(
    'not_found',
    'rekor.no_tile',
    'expected a tile inside the tree, got another path',
    cause === undefined ? {} : { cause },
  );
}
