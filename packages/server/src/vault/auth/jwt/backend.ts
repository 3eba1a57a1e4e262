import type { Backend, FieldDoc } from '../../backend.ts';
import { docsOf } from '../method/settings.ts';
import { tokenFieldDocs } from '../token-fields.ts';
import { readConfig, writeConfig } from './config.ts';
import { login, parseRole, roles } from './login.ts';
import { beginLogin, finishLogin, type OidcDeps } from './oidc.ts';
import { configSettings, roleSettings } from './settings.ts';

const role: FieldDoc = { type: 'string', doc: 'The role; the default role of the mount when absent.' };

/** `auth/jwt` and `auth/oidc`, which are one method under two names: signed tokens of programs and of people. */
export function createJwtBackend(type: 'jwt' | 'oidc', deps: OidcDeps): Backend {
  const open = { reason: 'who signs in has no token yet' };
  const callbackFields: Readonly<Record<string, FieldDoc>> = {
    state: { type: 'string', doc: 'As the issuer gave it back.' },
    code: { type: 'string', doc: 'As the issuer gave it.' },
    client_nonce: { type: 'string', doc: 'The one with which the login began.' },
    error: { type: 'string', doc: 'Why the issuer refused.' },
  };
  return {
    type,
    description:
      type === 'jwt'
        ? 'Signs programs in with tokens that an issuer signed.'
        : 'Signs people in at an issuer of OpenID Connect.',
    paths: [
      {
        pattern: 'config',
        synopsis: 'Whose tokens are believed. Written as a whole; the client secret is never read back.',
        fields: {
          ...docsOf(configSettings),
          oidc_client_secret: { type: 'string', doc: 'With which this server proves itself to the issuer.' },
          skip_jwks_validation: {
            type: 'boolean',
            doc: 'Writes the configuration without asking its issuer.',
          },
        },
        on: { read: readConfig, update: writeConfig(deps.keySets) },
      },
      { pattern: 'role', synopsis: 'Lists roles.', on: { list: roles.list } },
      {
        pattern: 'role/:name',
        synopsis: 'A role: which tokens sign in, and what they may do then.',
        fields: { ...docsOf(roleSettings), ...tokenFieldDocs },
        exists: roles.has,
        on: { read: roles.read, update: (call) => roles.write(call, parseRole), delete: roles.remove },
      },
      {
        pattern: 'login',
        synopsis: 'Gives a token for a signed one.',
        open,
        fields: { role, jwt: { type: 'string', doc: 'The signed token.' } },
        on: { update: login(deps.keySets, deps.gate) },
      },
      {
        pattern: 'oidc/auth_url',
        synopsis: 'Begins the login of a person: the address at the issuer to send her to.',
        open,
        fields: {
          role,
          redirect_uri: { type: 'string', doc: 'Where she comes back to; the role must allow it.' },
          client_nonce: { type: 'string', doc: 'Has to be given again in the end.' },
        },
        on: { update: beginLogin(deps) },
      },
      {
        pattern: 'oidc/callback',
        synopsis: 'Ends the login of a person: gives a token for the code of the issuer.',
        open,
        fields: callbackFields,
        on: callback(deps),
      },
    ],
  };
}

function callback(deps: OidcDeps) {
  const finish = finishLogin(deps);
  return { read: finish, update: finish };
}
