import type { Turn } from '#journal';
import type { Backend } from '../backend.ts';
import { type Mount, systemEnvironment } from '../mounts/mount.ts';
import { newMount } from '../mounts/new-mount.ts';
import { mountsOf, writeMounts } from '../mounts/table.ts';

const path = 'auth/sallyport/';

/** Has no paths: nobody signs in there by Vault's interface, but by the native one, which hands the token over. */
export const nativeSignIn: Backend = {
  type: 'sallyport',
  description: 'People and programs that are signed in to Sallyport itself.',
  paths: [],
};

/** The mount whose aliases are the ids of people and workloads; absent until the first of them came. */
export function signInMount(turn: Turn): Mount | undefined {
  const mount = mountsOf(turn).at(path);
  return mount?.type === nativeSignIn.type ? mount : undefined;
}

/** As `signInMount`, made when it is missing. Gives `undefined` when something else is mounted there. */
export function makeSignInMount(turn: Turn): Mount | undefined {
  const found = signInMount(turn);
  if (found !== undefined || mountsOf(turn).conflict(path) !== undefined) return found;
  const made = newMount({
    path,
    kind: 'auth',
    type: nativeSignIn.type,
    environment: systemEnvironment,
    description: nativeSignIn.description,
  });
  writeMounts(turn, [...mountsOf(turn).mounts, made]);
  return made;
}
