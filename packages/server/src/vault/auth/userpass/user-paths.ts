import { SecretBytes } from '@sallyport/formats';
import { type Call, type Handler, prepared, type Reply } from '../../backend.ts';
import type { PasswordRecord, Passwords } from '../../credentials/passwords.ts';
import { badRequest, nothingHere } from '../../errors.ts';
import { createFields } from '../../fields.ts';
import { nameOf } from '../method/roles.ts';
import { describeTokenSettings, readTokenSettings } from '../token-fields.ts';
import { forgetFailures } from './lockout.ts';
import { findUser, putPassword, putUser, removeUser, requireUser, userDirectory } from './user.ts';

export function hasUser(call: Call): boolean {
  return findUser(call.store, (call.params['name'] ?? '').toLowerCase()) !== undefined;
}

export function writeUser(passwords: Passwords): Handler {
  return prepared<PasswordRecord | undefined>({
    prepare: (call) => hashOf(call, passwords),
    decide(call, password) {
      const name = nameOf(call);
      const before = findUser(call.store, name);
      if (before === undefined && password === undefined) throw badRequest('missing password');
      putUser(call.store, name, { token: readTokenSettings(call, before?.token) });
      if (password !== undefined) setPassword(call, name, password);
      return {};
    },
  });
}

export function writePassword(passwords: Passwords): Handler {
  return prepared<PasswordRecord | undefined>({
    prepare: (call) => hashOf(call, passwords),
    decide(call, password) {
      const { name } = requireUser(call);
      if (password === undefined) throw badRequest('missing password');
      setPassword(call, name, password);
      return {};
    },
  });
}

export function writePolicies(call: Call): Reply {
  const { name, user } = requireUser(call);
  const policies = call.fields.findList('token_policies') ?? call.fields.list('policies');
  const token = readTokenSettings(
    { ...call, fields: createFields({ token_policies: policies }) },
    user.token,
  );
  putUser(call.store, name, { token });
  return {};
}

export function readUser(call: Call): Reply {
  const user = findUser(call.store, nameOf(call));
  if (user === undefined) throw nothingHere();
  return { data: describeTokenSettings(user.token) };
}

export function deleteUser(call: Call): Reply {
  removeUser(call.store, nameOf(call));
  return {};
}

export function listUsers({ store }: Call): Reply {
  const keys = store.list(userDirectory);
  if (keys.length === 0) throw nothingHere();
  return { data: { keys } };
}

async function hashOf({ fields }: Call, passwords: Passwords): Promise<PasswordRecord | undefined> {
  // To ignore it would leave a user without the password the operator thinks she has.
  if (fields.has('password_hash')) throw badRequest("'password_hash' is not supported, expected 'password'");
  const text = fields.text('password');
  if (text === '') return undefined;
  const password = SecretBytes.fromUtf8(text);
  try {
    return await passwords.hash(password);
  } finally {
    password.wipe();
  }
}

function setPassword(call: Call, name: string, password: PasswordRecord): void {
  putPassword(call.store, name, password);
  // Guesses at the old password say nothing about the new one; it is also how an operator lifts a lock.
  forgetFailures(call.store, name, call.now);
}
