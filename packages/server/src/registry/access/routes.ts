import { Fault, fromUtf8 } from '@sallyport/formats';
import { collectBody, type RenderFault, type Routes } from '#platform';
import { parseScopes, scopeText } from './scope.ts';
import type { AccessTokens, IssuedAccess } from './tokens.ts';

const maxFormBytes = 32 * 1024;

/**
 * The token service that docker and containerd call (distribution's token specification and its OAuth2 form): `GET`
 * with Basic credentials, or `POST` with the credential in a form. The user name is not looked at; the password, or the
 * refresh token, is a token of ours.
 */
export function accessTokenRoutes(tokens: AccessTokens, renderFault: RenderFault): Routes {
  return (http) => {
    http.stream({
      method: 'POST',
      path: '/v2/token',
      summary: 'A token for some repositories, by OAuth2 form',
      access: { kind: 'public', reason: 'the form itself brings the credential' },
      bodyLimitBytes: maxFormBytes,
      renderFault,
      handle: async (_request, reply, body) => {
        const form = new URLSearchParams(fromUtf8(await collectBody(body)));
        const grant = form.get('grant_type');
        if (grant !== 'password' && grant !== 'refresh_token')
          throw invalid('expected grant_type password or refresh_token');
        const credential = form.get(grant);
        if (credential === null || credential === '') throw invalid(`expected "${grant}" in the form`);
        const issued = await tokens.issue(await tokens.admit(credential), parseScopes(form.getAll('scope')));
        await reply.status(200).headers(headers).send(answer(issued));
      },
    });
    http.stream({
      method: 'GET',
      path: '/v2/token',
      summary: 'A token for some repositories, for Basic credentials',
      access: { kind: 'authenticated', reason: 'gives nobody more than their credential does' },
      credentials: 'basic',
      authenticate: tokens.admit,
      renderFault,
      handle: async (request, reply) => {
        const scope = request.query['scope'] ?? [];
        const scopes = parseScopes(typeof scope === 'string' ? [scope] : scope);
        await reply
          .status(200)
          .headers(headers)
          .send(answer(await tokens.issue(request.actor, scopes)));
      },
    });
  };
}

// RFC 6749 section 5.1.
const headers = { 'content-type': 'application/json', 'cache-control': 'no-store', pragma: 'no-cache' };

/** Docker reads `token`, OAuth2 clients `access_token`. */
function answer({ token, issuedAt, expiresInSeconds, granted }: IssuedAccess): string {
  return JSON.stringify({
    token,
    access_token: token,
    token_type: 'Bearer',
    expires_in: expiresInSeconds,
    issued_at: issuedAt.toISOString(),
    scope: scopeText(granted),
  });
}

function invalid(message: string): Fault {
  return new Fault('invalid', 'registry.token_request', message);
}
