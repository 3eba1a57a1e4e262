import { Instant } from '@sallyport/contract';
import { revocationTarget } from '@sallyport/formats';
import { Type } from 'typebox';
import type { Routes } from '#platform';
import type { CurrentRevocations, Revocations } from './revocations.ts';

const closed = { additionalProperties: false } as const;
const Reason = Type.String({ minLength: 1, maxLength: 300, pattern: '\\S' });

function view({ list, bundle, bundleDigest, logIndex }: CurrentRevocations) {
  return { ...list, bundleDigest, logIndex, bundle };
}

export function revocationRoutes(revocations: Revocations): Routes {
  return (http) => {
    http.route({
      method: 'GET',
      path: '/api/revocations',
      summary: 'the newest revocation list: number, validity, entries, and the signed bundle that says so',
      access: { kind: 'allowed', capability: 'read', path: () => 'revocations' },
      handle: async () => view(await revocations.current()),
    });
    http.route({
      method: 'POST',
      path: '/api/revocations',
      summary:
        'withdraw a digest, or what a certificate, identity or builder signed, everything or from an instant on',
      access: { kind: 'allowed', capability: 'create', path: () => 'revocations' },
      body: Type.Object(
        {
          /** Its members depend on `kind` (docs/formats/revocations.md); read strictly behind this schema. */
          target: Type.Object({ kind: Type.String({ maxLength: 20 }) }),
          from: Type.Optional(Instant),
          reason: Reason,
        },
        closed,
      ),
      status: 201,
      handle: async ({ actor, body }) =>
        revocations.revoke(actor, {
          target: revocationTarget(body.target, 'target'),
          ...(body.from === undefined ? {} : { from: new Date(body.from) }),
          reason: body.reason,
        }),
    });
    http.route({
      method: 'POST',
      path: '/api/revocations/:id/restoration',
      summary: 'end a revocation for what is signed from now on; what it withdrew stays withdrawn',
      access: { kind: 'allowed', capability: 'create', path: () => 'revocations' },
      params: Type.Object({ id: Type.String({ maxLength: 100 }) }),
      body: Type.Object({ reason: Reason }, closed),
      status: 201,
      handle: async ({ actor, params, body }) => revocations.restore(actor, params.id, body.reason),
    });
  };
}
