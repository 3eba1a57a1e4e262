import type { Backend, FieldDoc } from '../../backend.ts';
import type { Passwords } from '../../credentials/passwords.ts';
import { tokenFieldDocs } from '../token-fields.ts';
import { login } from './login.ts';
import {
  deleteUser,
  hasUser,
  listUsers,
  readUser,
  writePassword,
  writePolicies,
  writeUser,
} from './user-paths.ts';

const password: FieldDoc = { type: 'string', doc: 'The password, of at most 1024 bytes; never read back.' };

/** `auth/userpass`: people with a name and a password. */
export function createUserpassBackend(passwords: Passwords): Backend {
  return {
    type: 'userpass',
    description: 'Signs people in with a name and a password.',
    paths: [
      { pattern: 'users', synopsis: 'Lists users.', on: { list: listUsers } },
      {
        pattern: 'users/:name',
        synopsis: 'A user: the password, and what may be done with it.',
        fields: { password, ...tokenFieldDocs },
        exists: hasUser,
        on: { read: readUser, update: writeUser(passwords), delete: deleteUser },
      },
      {
        pattern: 'users/:name/password',
        synopsis: 'Sets the password of a user, and lifts a lock after wrong ones.',
        fields: { password },
        on: { update: writePassword(passwords) },
      },
      {
        pattern: 'users/:name/policies',
        synopsis: "Sets the policies of a user's tokens.",
        fields: { token_policies: { type: 'list', doc: 'Policies of the tokens.' } },
        on: { update: writePolicies },
      },
      {
        pattern: 'login/:name',
        synopsis: 'Gives a token for a name and a password; after five wrong ones none for 15 minutes.',
        open: { reason: 'who signs in has no token yet' },
        fields: { password },
        on: { update: login(passwords) },
      },
    ],
  };
}
