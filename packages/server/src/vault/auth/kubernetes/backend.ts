import type { Backend } from '../../backend.ts';
import type { BoundedFetch } from '../../credentials/fetch/bounded-fetch.ts';
import { parseKubernetesRole } from '../../credentials/kubernetes/role.ts';
import type { Gate } from '../method/gate.ts';
import { docsOf } from '../method/settings.ts';
import { tokenFieldDocs } from '../token-fields.ts';
import { readConfig, writeConfig } from './config.ts';
import { login, roles } from './login.ts';
import { configSettings, roleSettings } from './settings.ts';

/** `auth/kubernetes`: pods that sign in as their service account. */
export function createKubernetesBackend(deps: {
  readonly fetch: BoundedFetch;
  readonly gate: Gate;
}): Backend {
  return {
    type: 'kubernetes',
    description: 'Signs pods in by the service account they run as.',
    paths: [
      {
        pattern: 'config',
        synopsis: "The cluster. Written as a whole; the reviewer's token is never read back.",
        fields: {
          ...docsOf(configSettings),
          token_reviewer_jwt: {
            type: 'string',
            doc: 'A token that may review tokens; without it each token reviews itself.',
          },
        },
        on: { read: readConfig, update: writeConfig },
      },
      { pattern: 'role', synopsis: 'Lists roles.', on: { list: roles.list } },
      {
        pattern: 'role/:name',
        synopsis: 'A role: which service accounts sign in, and what they may do then.',
        fields: { ...docsOf(roleSettings), ...tokenFieldDocs },
        exists: roles.has,
        on: {
          read: roles.read,
          update: (call) => roles.write(call, parseKubernetesRole),
          delete: roles.remove,
        },
      },
      {
        pattern: 'login',
        synopsis: 'Gives a token for that of a service account.',
        open: { reason: 'who signs in has no token yet' },
        fields: {
          role: { type: 'string', doc: 'The role.' },
          jwt: { type: 'string', doc: 'The token of the service account.' },
        },
        on: { update: login(deps.fetch, deps.gate) },
      },
    ],
  };
}
