import { Type } from 'typebox';
import type { Routes } from '#platform';
import type { Federation } from '../federation/federation.ts';
import type { FederationRule } from '../federation/rule.ts';
import type { Authority, AuthorityChain } from './authority.ts';
import { renderGrpcFault } from './grpc-fault.ts';
import { answerRequest } from './signing-request.ts';
import { toPem } from './x509.ts';

const Text = (maxLength: number) => Type.Optional(Type.String({ maxLength }));
const SigningCertificateBody = Type.Object({
  credentials: Type.Optional(Type.Object({ oidcIdentityToken: Text(16_384) })),
  publicKeyRequest: Type.Optional(
    Type.Object({
      publicKey: Type.Optional(Type.Object({ algorithm: Text(64), content: Text(8192) })),
      proofOfPossession: Text(2048),
    }),
  ),
  certificateSigningRequest: Text(24_000),
});
const Chain = Type.Object({ certificates: Type.Array(Type.String()) });
const ChainView = Type.Object({
  number: Type.Integer(),
  validFrom: Type.String(),
  validUntil: Type.String(),
  certificates: Type.Array(Type.String()),
});

/** Fulcio's API v2, at its own paths and with its own errors, and the native one beside it. */
export function authorityRoutes(authority: Authority, federation: Federation): Routes {
  return (http) => {
    http.route({
      method: 'POST',
      path: '/api/v2/signingCert',
      summary: 'a certificate of ten minutes for the holder of an identity token (fulcio)',
      access: { kind: 'public', reason: 'who comes is proven by the token of another issuer in the request' },
      credentials: 'foreign',
      bodyLimitBytes: 65_536,
      body: SigningCertificateBody,
      response: Type.Object({ signedCertificateEmbeddedSct: Type.Object({ chain: Chain }) }),
      renderFault: renderGrpcFault,
      handle: async ({ body, foreignToken }) => {
        const certificates = await answerRequest({ authority, federation }, body, foreignToken);
        return { signedCertificateEmbeddedSct: { chain: { certificates: [...certificates] } } };
      },
    });
    http.route({
      method: 'GET',
      path: '/api/v2/trustBundle',
      summary: 'every chain of the certificate authority, newest first (fulcio)',
      access: { kind: 'public', reason: 'it holds public certificates only, and verifiers have no account' },
      response: Type.Object({ chains: Type.Array(Chain) }),
      renderFault: renderGrpcFault,
      handle: async () => ({
        chains: (await authority.chains()).map(({ certificates }) => ({
          certificates: certificates.map(toPem),
        })),
      }),
    });
    http.route({
      method: 'GET',
      path: '/api/v2/configuration',
      summary: 'the issuers whose tokens may be exchanged for a certificate (fulcio)',
      access: {
        kind: 'public',
        reason: 'clients read it before they have a token; it names issuers, no project',
      },
      response: Type.Object({
        issuers: Type.Array(
          Type.Object({ issuerUrl: Type.String(), audience: Type.String(), challengeClaim: Type.String() }),
        ),
      }),
      renderFault: renderGrpcFault,
      handle: async () => ({ issuers: issuersOf(await federation.list()) }),
    });
    http.route({
      method: 'GET',
      path: '/api/authority',
      summary: 'the generations of the certificate authority, newest first',
      access: { kind: 'allowed', capability: 'read', path: () => 'authority' },
      response: Type.Object({ chains: Type.Array(ChainView) }),
      handle: async () => ({ chains: (await authority.chains()).map(view) }),
    });
    http.route({
      method: 'POST',
      path: '/api/authority/rotate',
      summary: 'issue under a new intermediate, or a new root; the chains before stay valid',
      access: { kind: 'allowed', capability: 'update', path: () => 'authority' },
      body: Type.Object({ newRoot: Type.Optional(Type.Boolean()) }, { additionalProperties: false }),
      response: ChainView,
      handle: async ({ body, actor }) =>
        view(await authority.rotate({ newRoot: body.newRoot === true }, actor)),
    });
  };
}

function view({ number, validFrom, validUntil, certificates }: AuthorityChain) {
  return {
    number,
    validFrom: validFrom.toISOString(),
    validUntil: validUntil.toISOString(),
    certificates: certificates.map(toPem),
  };
}

/** One line per issuer and audience; which projects have rules is nobody's business. */
function issuersOf(rules: readonly FederationRule[]) {
  const issuers = new Map(
    rules.map(({ issuer, audience, kind }) => [
      `${issuer} ${audience}`,
      { issuerUrl: issuer, audience, challengeClaim: kind === 'email' ? 'email' : 'sub' },
    ]),
  );
  return [...issuers.values()];
}
