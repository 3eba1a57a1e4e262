import type { Backend } from '../../backend.ts';
import { tokenFieldDocs } from '../token-fields.ts';
import { login } from './login.ts';
import {
  deleteRole,
  hasRole,
  listRoles,
  readRole,
  readRoleId,
  settingPaths,
  writeRole,
  writeRoleId,
} from './role-paths.ts';
import {
  destroyAccessor,
  destroySecretId,
  listAccessors,
  lookupAccessor,
  lookupSecretId,
  makeCustomSecretId,
  makeSecretId,
  tidySecretIds,
} from './secret-id-paths.ts';

const secretIdField = { secret_id: { type: 'string', doc: 'The secret id.' } } as const;
const accessorField = { secret_id_accessor: { type: 'string', doc: 'Its accessor.' } } as const;
const secretIdFields = {
  metadata: { type: 'map', doc: 'Texts that tokens made with it carry.' },
  cidr_list: { type: 'list', doc: 'From where it can be used.' },
  token_bound_cidrs: { type: 'list', doc: 'From where its tokens can be used.' },
  ttl: { type: 'duration', doc: 'How long it can be used.' },
  num_uses: { type: 'integer', doc: 'How often it can be used.' },
} as const;

/** `auth/approle`: programs that sign in with a role id and a secret id. */
export const approleBackend: Backend = {
  type: 'approle',
  description: 'Signs programs in with a role id and a secret id.',
  paths: [
    {
      pattern: 'login',
      synopsis: 'Gives a token for a role id and a secret id.',
      open: { reason: 'who signs in has no token yet' },
      fields: { role_id: { type: 'string', doc: 'The role id.' }, ...secretIdField },
      on: { update: login },
    },
    { pattern: 'role', synopsis: 'Lists roles.', on: { list: listRoles } },
    {
      pattern: 'role/:role',
      synopsis: 'A role: what signs in with it may do, and what its secret ids are like.',
      fields: {
        bind_secret_id: { type: 'boolean', doc: 'Whether a secret id is needed.' },
        secret_id_bound_cidrs: { type: 'list', doc: 'From where secret ids can be used.' },
        secret_id_num_uses: { type: 'integer', doc: 'How often a secret id can be used.' },
        secret_id_ttl: { type: 'duration', doc: 'How long a secret id can be used.' },
        role_id: { type: 'string', doc: 'The role id; one is made when absent.' },
        ...tokenFieldDocs,
      },
      exists: hasRole,
      on: { read: readRole, update: writeRole, delete: deleteRole },
    },
    {
      pattern: 'role/:role/role-id',
      synopsis: "A role's id.",
      on: { read: readRoleId, update: writeRoleId },
    },
    {
      pattern: 'role/:role/secret-id',
      synopsis: 'Makes a secret id; lists accessors.',
      fields: secretIdFields,
      on: { update: makeSecretId, list: listAccessors },
    },
    {
      pattern: 'role/:role/custom-secret-id',
      synopsis: 'Registers a secret id that the caller chose.',
      fields: { ...secretIdField, ...secretIdFields },
      on: { update: makeCustomSecretId },
    },
    {
      pattern: 'role/:role/secret-id/lookup',
      synopsis: 'Shows a secret id.',
      fields: secretIdField,
      on: { update: lookupSecretId },
    },
    {
      pattern: 'role/:role/secret-id/destroy',
      synopsis: 'Ends a secret id.',
      fields: secretIdField,
      on: { update: destroySecretId, delete: destroySecretId },
    },
    {
      pattern: 'role/:role/secret-id-accessor/lookup',
      synopsis: 'Shows the secret id of an accessor.',
      fields: accessorField,
      on: { update: lookupAccessor },
    },
    {
      pattern: 'role/:role/secret-id-accessor/destroy',
      synopsis: 'Ends the secret id of an accessor.',
      fields: accessorField,
      on: { update: destroyAccessor, delete: destroyAccessor },
    },
    ...settingPaths,
    {
      pattern: 'tidy/secret-id',
      synopsis: 'Takes expired secret ids out of the database.',
      on: { update: tidySecretIds },
    },
  ],
};
