import { type Backend, type Call, type Handler, prepared, type Reply } from '../../backend.ts';
import type { Gate } from '../method/gate.ts';
import { nameOf } from '../method/roles.ts';
import { docsOf } from '../method/settings.ts';
import { tokenFieldDocs } from '../token-fields.ts';
import { readConfig, writeConfig } from './config.ts';
import { deleteCrl, listCrls, readCrl, writeCrl } from './crls.ts';
import { login, roles } from './login.ts';
import { loadReader, type Reader } from './reader.ts';
import { configSettings, roleSettings } from './settings.ts';

const writeRole: Handler = prepared<Reader>({
  prepare: () => loadReader(),
  decide: (call, reader) => roles.write(call, reader.parseRole),
});

/** The name of the role is how its tokens are called where nothing else is said; clients look for it here. */
function readRole(call: Call): Reply {
  const shown = roles.shown(call);
  return { data: { ...shown, display_name: shown['display_name'] || nameOf(call) } };
}

/** `auth/cert`: programs that sign in with the certificate of their TLS connection. */
export function createCertBackend(gate: Gate): Backend {
  return {
    type: 'cert',
    description: 'Signs programs in with the certificate of their TLS connection.',
    paths: [
      {
        pattern: 'config',
        synopsis: 'Settings of the mount.',
        fields: docsOf(configSettings),
        on: { read: readConfig, update: writeConfig },
      },
      { pattern: 'certs', synopsis: 'Lists roles.', on: { list: roles.list } },
      {
        pattern: 'certs/:name',
        synopsis: 'A role: which certificates sign in, and what they may do then.',
        fields: { ...docsOf(roleSettings), ...tokenFieldDocs },
        exists: roles.has,
        on: { read: readRole, update: writeRole, delete: roles.remove },
      },
      { pattern: 'crls', synopsis: 'Lists revocation lists.', on: { list: listCrls } },
      {
        pattern: 'crls/:name',
        synopsis: 'A revocation list: serial numbers that no role takes.',
        fields: {
          crl: { type: 'string', doc: 'The list, as PEM.' },
          url: { type: 'string', doc: 'Not supported, so it must be empty.' },
        },
        on: { read: readCrl, update: writeCrl, delete: deleteCrl },
      },
      {
        pattern: 'login',
        synopsis: 'Gives a token for the certificate of the connection.',
        open: { reason: 'who signs in has no token yet' },
        fields: { name: { type: 'string', doc: 'The only role to try; all when absent.' } },
        on: { update: login(gate) },
      },
    ],
  };
}
