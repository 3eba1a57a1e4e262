import { badRequest, permissionDenied } from '../errors.ts';
import type { Caller } from '../request/caller.ts';
import { type Mount, systemEnvironment } from './mount.ts';

export const defaultEnvironment = 'default/default';
const everywhere = '*';
// What the keyring takes for the scope of an environment.
const name = /^[a-z0-9-]{1,63}\/[a-z0-9-]{1,63}$/;

/**
 * The environment of a new mount: the one that is asked for, or else the caller's only one, or else the default. A
 * token of some environments mounts in these only. `system` is for login methods whose tokens reach all environments,
 * so it takes a token that does.
 */
export function environmentFor(
  caller: Caller | undefined,
  asked: string | undefined,
  kind: 'secret' | 'auth',
): string {
  const own = caller?.token.environments ?? [];
  const only = own.length === 1 && own[0] !== everywhere ? own[0] : undefined;
  const environment = asked === undefined || asked === '' ? (only ?? defaultEnvironment) : asked;
  const valid = name.test(environment) || (kind === 'auth' && environment === systemEnvironment);
  if (!valid) {
    throw badRequest(
      `expected an environment such as "shop/prod", got ${JSON.stringify(environment.slice(0, 130))}`,
    );
  }
  requireReach(caller, environment);
  return environment;
}

/** Throws unless a token of this caller may reach into the environment. */
export function requireReach(caller: Caller | undefined, environment: string): void {
  if (!reaches(caller, environment)) throw permissionDenied();
}

/**
 * Checks the environments that a role of `mount` names for its tokens. A method of one environment gives tokens for that
 * one: who administers it would else reach others through it.
 */
export function requireEnvironments(
  caller: Caller | undefined,
  mount: Mount,
  environments: readonly string[],
): void {
  for (const environment of environments) {
    if (environment !== everywhere && !name.test(environment)) {
      throw badRequest(
        `expected environments such as "shop/prod", got ${JSON.stringify(environment.slice(0, 130))}`,
      );
    }
    if (mount.environment !== systemEnvironment && environment !== mount.environment) {
      throw badRequest(
        `expected only ${mount.environment}, which this login method belongs to, got ${environment}`,
      );
    }
    requireReach(caller, environment);
  }
}

export function reaches(caller: Caller | undefined, environment: string): boolean {
  const own = caller?.token.environments ?? [];
  return own.includes(everywhere) || own.includes(environment);
}

/** Whether a caller may know and end a token of these environments: whoever reaches fewer must not meddle with others. */
export function reachesAll(caller: Caller | undefined, environments: readonly string[]): boolean {
  return environments.every((each) => reaches(caller, each));
}

/** Whether a caller is told of a mount: those of the installation are no secret. */
export function mayKnow(caller: Caller | undefined, mount: Mount): boolean {
  return mount.environment === systemEnvironment || reaches(caller, mount.environment);
}
