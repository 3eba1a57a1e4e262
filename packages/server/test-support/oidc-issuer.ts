import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An OpenID provider on the loopback interface, with a key of its own. */
export interface OidcIssuer {
  readonly url: string;
  /** A token signed by the issuer's key; `claims` may replace what every token has. */
  token(claims: object, header?: object): string;
  close(): Promise<void>;
}

export async function openOidcIssuer(now: () => Date): Promise<OidcIssuer> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const server = createServer((request, response) => {
    const documents: Readonly<Record<string, object>> = {
      '/.well-known/openid-configuration': { issuer: url, jwks_uri: `${url}/jwks` },
      '/jwks': { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'key-1', alg: 'ES256', use: 'sig' }] },
    };
    const document = documents[request.url ?? ''];
    response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(document ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A listening TCP server has an address object.
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

  return {
    url,
    token(claims, header = {}) {
      const iat = Math.floor(now().getTime() / 1000);
      const payload = { iss: url, aud: 'sigstore', iat, nbf: iat, exp: iat + 300, ...claims };
      const input = `${encode({ alg: 'ES256', typ: 'JWT', kid: 'key-1', ...header })}.${encode(payload)}`;
      const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
      return `${input}.${signature.toString('base64url')}`;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** As GitHub's documentation shows them, with ids of a made-up repository. */
export const githubClaims = {
  sub: 'repo:acme/shop:ref:refs/heads/main',
  repository: 'acme/shop',
  repository_id: '74',
  repository_owner: 'acme',
  repository_owner_id: '65',
  repository_visibility: 'private',
  ref: 'refs/heads/main',
  sha: '7c6fe1a8d5b2f0e3c4a9b8d7e6f5a4b3c2d1e0f9',
  event_name: 'push',
  workflow: 'release',
  workflow_ref: 'acme/shop/.github/workflows/release.yml@refs/heads/main',
  workflow_sha: '7c6fe1a8d5b2f0e3c4a9b8d7e6f5a4b3c2d1e0f9',
  job_workflow_ref: 'acme/shop/.github/workflows/release.yml@refs/heads/main',
  job_workflow_sha: '7c6fe1a8d5b2f0e3c4a9b8d7e6f5a4b3c2d1e0f9',
  runner_environment: 'github-hosted',
  run_id: '30433642',
  run_attempt: '2',
} as const;
