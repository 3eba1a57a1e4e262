import { createHash, randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { makeKey, signToken } from '../../credentials/jwt/token.fixture.ts';

interface Code {
  readonly challenge: string;
  readonly redirectUri: string;
  readonly claims: object;
}

/**
 * An issuer of OpenID Connect that asks of the code flow what RFC 6749 section 4.1.3 and RFC 7636 section 4.6 say, and
 * no more: it takes a code as often as it comes, so that single use is what the other side sees to.
 */
export function createProvider(secret: string) {
  const key = makeKey('RS256', 'people');
  const codes = new Map<string, Code>();
  let exchanges = 0;

  const listener: RequestListener = (request, response) => {
    const issuer = `https://${request.headers.host}`;
    const endpoints = { authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token` };
    if (request.url === '/.well-known/openid-configuration')
      response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys`, ...endpoints }));
    else if (request.url === '/keys') response.end(JSON.stringify({ keys: [key.jwk] }));
    else {
      let text = '';
      request.on('data', (chunk) => {
        text += chunk;
      });
      request.on('end', () => {
        exchanges += 1;
        const form = new URLSearchParams(text);
        const code = codes.get(form.get('code') ?? '');
        const verifier = form.get('code_verifier') ?? '';
        const basic = `Basic ${Buffer.from(`sallyport:${secret}`).toString('base64')}`;
        const isRight =
          request.headers.authorization === basic &&
          code?.redirectUri === form.get('redirect_uri') &&
          code.challenge === createHash('sha256').update(verifier).digest('base64url');
        if (!isRight) response.writeHead(400).end('{"error":"invalid_grant"}');
        else {
          const claims = { iss: issuer, aud: 'sallyport', ...code.claims };
          response.end(JSON.stringify({ token_type: 'Bearer', id_token: signToken(key, claims) }));
        }
      });
    }
  };

  return {
    listener,
    exchanges: () => exchanges,
    /** What the person and the issuer do: she logs in, and comes back with state and code. */
    approve(address: string, claims: object): { readonly state: string; readonly code: string } {
      const asked = new URL(address).searchParams;
      const code = randomBytes(8).toString('hex');
      codes.set(code, {
        challenge: asked.get('code_challenge') ?? '',
        redirectUri: asked.get('redirect_uri') ?? '',
        claims: { nonce: asked.get('nonce'), ...claims },
      });
      return { state: asked.get('state') ?? '', code };
    },
  };
}
