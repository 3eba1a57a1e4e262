import { Type } from 'typebox';
import { collectBody, type Routes } from '#platform';
import type { Timestamps } from './timestamps.ts';

const reason = 'clients of Sigstore ask without an account; all they learn is the time, and it is bounded';

export function timestampRoutes(timestamps: Timestamps): Routes {
  return (http) => {
    http.stream({
      method: 'POST',
      path: '/api/v1/timestamp',
      summary: 'A timestamp (RFC 3161): application/timestamp-query, or the same as JSON',
      access: { kind: 'public', reason },
      bodyLimitBytes: 4096,
      handle: async ({ headers }, reply, body) => {
        const json = /^application\/json\b/i.test(headers['content-type'] ?? '');
        const answer = await timestamps.answer(await collectBody(body), json ? 'json' : 'der');
        await reply
          // 201 as Sigstore's server answers it; its clients take nothing else for a success.
          .status(answer.granted ? 201 : 400)
          .headers({ 'content-type': 'application/timestamp-reply', 'cache-control': 'no-store' })
          .send(answer.response);
      },
    });
    http.stream({
      method: 'GET',
      path: '/api/v1/timestamp/certchain',
      summary: 'The certificates of the timestamp authority in PEM, the leaf first',
      access: { kind: 'public', reason: 'they hold public keys only, and verifiers have no account' },
      handle: async (_request, reply) => {
        await reply
          .headers({ 'content-type': 'application/pem-certificate-chain', 'cache-control': 'no-cache' })
          .send(await timestamps.chain());
      },
    });
    http.route({
      method: 'POST',
      path: '/api/trust/timestamps/rotate',
      summary: 'A new key for timestamps; the one before stays in the trust root, with its period',
      access: { kind: 'allowed', capability: 'update', path: () => 'trust' },
      response: Type.Object({ number: Type.Integer(), keyId: Type.String(), validFrom: Type.String() }),
      handle: async ({ actor }) => {
        const { number, keyId, validFrom } = await timestamps.rotate(actor);
        return { number, keyId, validFrom: validFrom.toISOString() };
      },
    });
  };
}
