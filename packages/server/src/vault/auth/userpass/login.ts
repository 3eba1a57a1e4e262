import { SecretBytes } from '@sallyport/formats';
import { type Handler, prepared } from '../../backend.ts';
import type { PasswordRecord, Passwords } from '../../credentials/passwords.ts';
import { badRequest, permissionDenied } from '../../errors.ts';
import { newLogin } from '../method/new-login.ts';
import { nameOf } from '../method/roles.ts';
import { countFailure, forgetFailures, isLocked } from './lockout.ts';
import { findPassword, findUser } from './user.ts';

interface Checked {
  readonly isRight: boolean;
  /** What the password was compared with. */
  readonly record: PasswordRecord | undefined;
}

/**
 * The password is hashed before the turn. In the turn it must still be the user's password, and the name must not be
 * locked: of guesses that were sent at the same time, those behind the fifth wrong one learn nothing.
 */
export function login(passwords: Passwords): Handler {
  return prepared<Checked>({
    async prepare(call) {
      const name = nameOf(call);
      const text = call.fields.text('password');
      if (text === '') throw badRequest('missing password');
      if (isLocked(call.store, name, call.now)) throw permissionDenied();
      const record = findPassword(call.store, name);
      const password = SecretBytes.fromUtf8(text);
      try {
        return { isRight: await passwords.verify(record, password), record };
      } finally {
        password.wipe();
      }
    },
    decide(call, { isRight, record }) {
      const { store, now } = call;
      const name = nameOf(call);
      if (isLocked(store, name, now)) throw permissionDenied();
      const user = findUser(store, name);
      if (!isRight || user === undefined || !isSame(record, findPassword(store, name))) {
        countFailure(store, name, now);
        return { refusal: badRequest('invalid username or password') };
      }
      forgetFailures(store, name, now);
      const metadata = { username: name };
      const found = { alias: { name, metadata: {} }, metadata, groups: [], displayName: name };
      return { login: newLogin(call, found, user.token, name) };
    },
  });
}

/** Salts are random: equal ones are of one record. */
function isSame(one: PasswordRecord | undefined, other: PasswordRecord | undefined): boolean {
  return one !== undefined && one.salt === other?.salt && one.hash === other.hash;
}
