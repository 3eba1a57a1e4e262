import { Digest as DigestSchema } from '@sallyport/contract';
import { parseDigest } from '@sallyport/formats';
import { Type } from 'typebox';
import type { Routes } from '#platform';
import type { Evidence, Signing } from './evidence.ts';

const EvidenceView = Type.Object({
  id: Type.String(),
  key: Type.String(),
  subject: DigestSchema,
  predicateType: Type.String(),
  bundleDigest: DigestSchema,
  logIndex: Type.Integer(),
  sealedAt: Type.String(),
  /** The bundle's exact text: what `sally verify` reads. */
  bundle: Type.String(),
});

function view(evidence: Evidence) {
  const { id, key, subject, predicateType, bundleDigest, logIndex, sealedAt, bundle } = evidence;
  return {
    id,
    key,
    subject,
    predicateType,
    bundleDigest,
    logIndex,
    sealedAt: sealedAt.toISOString(),
    bundle,
  };
}

export function signingRoutes(signing: Signing): Routes {
  return (http) => {
    http.route({
      method: 'GET',
      path: '/api/evidence/:digest',
      summary: 'all evidence about a digest, with its bundles',
      access: { kind: 'allowed', capability: 'read', path: ({ digest }) => `evidence/${digest}` },
      params: Type.Object({ digest: DigestSchema }),
      response: Type.Object({ evidence: Type.Array(EvidenceView) }),
      handle: async ({ params }) => {
        const evidence = await signing.list(parseDigest(params.digest));
        return { evidence: evidence.map(view) };
      },
    });
    http.stream({
      method: 'GET',
      path: '/api/trust-root',
      summary: 'the signed trust root: pin these bytes, then verification needs no server',
      access: { kind: 'public', reason: 'it holds public keys only, and verifiers have no account' },
      handle: async (_request, reply) => {
        await reply.headers({ 'content-type': 'application/json' }).send(await signing.trustRoot());
      },
    });
  };
}
