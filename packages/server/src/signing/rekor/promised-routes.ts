import { Fault, leafHash, toHex } from '@sallyport/formats';
import { Type } from 'typebox';
import type { RenderFault, Routes } from '#platform';
import type { RekorWriters } from './admission.ts';
import { pemOf } from './entry-key.ts';
import { ProposedEntry, readRequestV1 } from './promised-request.ts';
import type { LogEntryV1, Rekor } from './rekor.ts';
import { accessOf } from './tiled-routes.ts';

const closed = { additionalProperties: false } as const;
const Index = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Uuid = Type.String({ pattern: '^([0-9a-f]{16})?[0-9a-f]{64}$' });
const maxRequestBytes = 6 * 1024 * 1024;
/** As many as the public instance gives at once. */
const maxRetrieved = 10;

const renderFault: RenderFault = (fault, status, requestId) => {
  const closedKind = fault.kind === 'denied' || fault.kind === 'internal';
  const uuid = fault.details['uuid'];
  return {
    contentType: 'application/json',
    body: JSON.stringify({
      code: status,
      message: closedKind ? `refused, request ${requestId}` : fault.message,
    }),
    ...(typeof uuid === 'string' ? { headers: { location: `/api/v1/log/entries/${uuid}` } } : {}),
  };
};

const readable = {
  kind: 'public',
  reason: 'what came by this API is a public record: verifiers ask for it without an account',
} as const;

/** Rekor's first API, for verifiers that need promises and its entry kinds. Only what came by it is shown by it. */
export function rekorV1Routes(rekor: Rekor, writers: RekorWriters): Routes {
  const get = async (where: string | number): Promise<LogEntryV1> => {
    const found = await rekor.findV1(where);
    if (found !== undefined) return found;
    throw new Fault('not_found', 'rekor.no_entry', 'expected an entry of this log, got another name');
  };
  return (http) => {
    http.route({
      method: 'POST',
      path: '/api/v1/log/entries',
      summary: 'log a hashedrekord or dsse entry; answers with promise and proof (Rekor v1)',
      access: accessOf(writers),
      body: ProposedEntry,
      bodyLimitBytes: maxRequestBytes,
      status: 201,
      response: Type.Unknown(),
      headersOf: placeOf,
      renderFault,
      handle: async ({ actor, body }) => named(await rekor.addV1(actor, readRequestV1(body))),
    });
    http.route({
      method: 'GET',
      path: '/api/v1/log/entries',
      summary: 'the entry with an index (Rekor v1)',
      access: readable,
      query: Type.Object({ logIndex: Index }, closed),
      response: Type.Unknown(),
      renderFault,
      handle: async ({ query }) => named(await get(query.logIndex)),
    });
    http.route({
      method: 'GET',
      path: '/api/v1/log/entries/:uuid',
      summary: 'the entry with a uuid or leaf hash (Rekor v1)',
      access: readable,
      params: Type.Object({ uuid: Uuid }, closed),
      response: Type.Unknown(),
      renderFault,
      handle: async ({ params }) => named(await get(params.uuid)),
    });
    http.route({
      method: 'POST',
      path: '/api/v1/log/entries/retrieve',
      summary: 'entries by uuid, by index, or by what they would be (Rekor v1)',
      access: readable,
      bodyLimitBytes: maxRequestBytes,
      body: Type.Object(
        {
          entryUUIDs: Type.Optional(Type.Array(Uuid, { maxItems: maxRetrieved })),
          logIndexes: Type.Optional(Type.Array(Index, { maxItems: maxRetrieved })),
          entries: Type.Optional(Type.Array(ProposedEntry, { maxItems: maxRetrieved })),
        },
        closed,
      ),
      response: Type.Unknown(),
      renderFault,
      handle: async ({ body }) => {
        const asked = [
          ...(body.entryUUIDs ?? []),
          ...(body.logIndexes ?? []),
          ...(body.entries ?? []).map((entry) => toHex(leafHash(readRequestV1(entry).body))),
        ];
        const found = await Promise.all(asked.slice(0, maxRetrieved).map((where) => rekor.findV1(where)));
        return found.flatMap((entry) => (entry === undefined ? [] : [named(entry)]));
      },
    });
    http.route({
      method: 'GET',
      path: '/api/v1/log',
      summary: 'the newest tree head (Rekor v1)',
      access: readable,
      response: Type.Unknown(),
      renderFault,
      handle: async () => {
        const { note, treeSize, rootHash } = await rekor.headV1();
        const { treeId: treeID } = rekor.profile;
        return { rootHash: toHex(rootHash), treeSize, signedTreeHead: note, treeID, inactiveShards: [] };
      },
    });
    http.route({
      method: 'GET',
      path: '/api/v1/log/proof',
      summary: 'that one tree is a prefix of another (Rekor v1)',
      access: readable,
      query: Type.Object({ firstSize: Type.Optional(Index), lastSize: Index }, closed),
      response: Type.Unknown(),
      renderFault,
      handle: async ({ query }) => {
        const hashes = await rekor.ledger.consistencyProof(query.firstSize ?? 1, query.lastSize);
        return { hashes: hashes.map(toHex) };
      },
    });
    http.stream({
      method: 'GET',
      path: '/api/v1/log/publicKey',
      summary: 'the key of the log (Rekor v1)',
      access: { kind: 'public', reason: 'a public key: verifiers need it' },
      renderFault,
      handle: async (_request, reply) => {
        await reply
          .headers({ 'content-type': 'application/x-pem-file' })
          .send(pemOf('PUBLIC KEY', rekor.profile.publicKeySpki));
      },
    });
  };
}

/** Rekor's own server names the entry in both headers, and sigstore-go reads it from the ETag: bare, as there. */
function placeOf(answer: unknown): Readonly<Record<string, string>> {
  const uuid = Object.keys(Object(answer))[0] ?? '';
  return { etag: uuid, location: `/api/v1/log/entries/${uuid}` };
}

/** As the first API answers: one member, whose name is the uuid. */
function named({ uuid, entry }: LogEntryV1): Readonly<Record<string, LogEntryV1['entry']>> {
  return { [uuid]: entry };
}
