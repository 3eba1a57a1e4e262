import type { Call, Records } from '../../backend.ts';
import type { PasswordRecord } from '../../credentials/passwords.ts';
import { badRequest } from '../../errors.ts';
import { jsonCodec } from '../../records.ts';
import { nameOf } from '../method/roles.ts';
import type { TokenSettings } from '../token-fields.ts';

/** A person with a password. The two are kept apart: the hash does not stay in memory in the clear. */
export interface User {
  readonly token: TokenSettings;
}

export const userDirectory = 'user/';
const codec = jsonCodec<User>(true);
const passwordCodec = jsonCodec<PasswordRecord>(false);
const passwordPath = (name: string): string => `password/${name}`;

export function findUser(store: Records, name: string): User | undefined {
  return store.read(userDirectory + name, codec);
}

export function findPassword(store: Records, name: string): PasswordRecord | undefined {
  return store.read(passwordPath(name), passwordCodec);
}

export function putUser(store: Records, name: string, user: User): void {
  store.write(userDirectory + name, codec, user);
}

export function putPassword(store: Records, name: string, password: PasswordRecord): void {
  store.write(passwordPath(name), passwordCodec, password);
}

export function removeUser(store: Records, name: string): void {
  store.delete(userDirectory + name);
  store.delete(passwordPath(name));
}

export function requireUser(call: Call): { readonly name: string; readonly user: User } {
  const name = nameOf(call);
  const user = findUser(call.store, name);
  if (user === undefined) throw badRequest('username does not exist');
  return { name, user };
}
