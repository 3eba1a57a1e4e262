import { readFileSync } from 'node:fs';
import { Fault, SecretBytes } from '@sallyport/formats';
import type { VaultClientOptions } from './client.ts';
import { appRoleLogin } from './login/approle.ts';
import { githubJwt, givenJwt, type JwtSource, jwtFile, jwtLogin, kubernetesLogin } from './login/jwt.ts';
import type { LoginSource } from './login/source.ts';
import { tokenFileLogin, tokenLogin } from './login/token.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Address, authorities and login from variables; the names of Vault's own clients count where they have one.
 *
 * - `SALLYPORT_ADDR` or `VAULT_ADDR`, several with commas; `VAULT_CACERT`, a file.
 * - `VAULT_TOKEN`, or `SALLYPORT_VAULT_TOKEN_FILE`, or `SALLYPORT_VAULT_AUTH`: `jwt`, `github`, `gitlab`, `kubernetes`
 *   or `approle`, mounted at `SALLYPORT_VAULT_MOUNT` (default: `jwt` for the three with JWTs, else the same word).
 * - `SALLYPORT_VAULT_ROLE` for all but `approle`. `jwt` takes `SALLYPORT_VAULT_JWT_FILE`, else the variable that
 *   `SALLYPORT_VAULT_JWT_VARIABLE` names, else `SALLYPORT_ID_TOKEN`, which steps of Sallyport have. `gitlab` takes
 *   `VAULT_ID_TOKEN`. `github` takes `SALLYPORT_VAULT_AUDIENCE`.
 * - `approle` takes `SALLYPORT_VAULT_ROLE_ID`, and a file: `SALLYPORT_VAULT_SECRET_ID_FILE` or, with a wrapping token,
 *   `SALLYPORT_VAULT_WRAPPED_SECRET_ID_FILE`.
 *
 * Throws Fault `vault.environment`.
 */
export function fromEnvironment(env: Environment): Pick<VaultClientOptions, 'address' | 'ca' | 'login'> {
  const address = first(env, 'SALLYPORT_ADDR', 'VAULT_ADDR');
  if (address === undefined) throw lacking('SALLYPORT_ADDR or VAULT_ADDR');
  return {
    address: address.split(',').map((each) => each.trim()),
    ca: caFromEnvironment(env),
    login: loginFromEnvironment(env),
  };
}

/** The PEM that `VAULT_CACERT` names. */
export function caFromEnvironment(env: Environment): string | undefined {
  const file = first(env, 'VAULT_CACERT');
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Fault('not_found', 'vault.environment', `expected to read VAULT_CACERT ${file}, could not`, {
      cause,
    });
  }
}

/** The login part of `fromEnvironment`; undefined when the environment names none. */
export function loginFromEnvironment(env: Environment): LoginSource | undefined {
  const token = first(env, 'VAULT_TOKEN');
  if (token !== undefined) return tokenLogin(SecretBytes.fromUtf8(token));
  const file = first(env, 'SALLYPORT_VAULT_TOKEN_FILE');
  if (file !== undefined) return tokenFileLogin(file);
  const method = first(env, 'SALLYPORT_VAULT_AUTH');
  const mount = first(env, 'SALLYPORT_VAULT_MOUNT');
  switch (method) {
    case undefined:
      return undefined;
    case 'jwt':
      return jwtLogin({ mount, role: need(env, 'SALLYPORT_VAULT_ROLE'), token: plainJwt(env) });
    case 'gitlab':
      return jwtLogin({
        mount,
        role: need(env, 'SALLYPORT_VAULT_ROLE'),
        token: variable(env, 'VAULT_ID_TOKEN'),
      });
    case 'github':
      return jwtLogin({ mount, role: need(env, 'SALLYPORT_VAULT_ROLE'), token: github(env) });
    case 'kubernetes':
      return kubernetesLogin({
        mount,
        role: need(env, 'SALLYPORT_VAULT_ROLE'),
        tokenFile: first(env, 'SALLYPORT_VAULT_JWT_FILE'),
      });
    case 'approle':
      return appRoleLogin({ mount, roleId: need(env, 'SALLYPORT_VAULT_ROLE_ID'), secretId: secretId(env) });
    default:
      throw new Fault(
        'invalid',
        'vault.environment',
        `expected SALLYPORT_VAULT_AUTH to be jwt, github, gitlab, kubernetes or approle, got '${method}'`,
      );
  }
}

function plainJwt(env: Environment): JwtSource {
  const file = first(env, 'SALLYPORT_VAULT_JWT_FILE');
  if (file !== undefined) return jwtFile(file);
  return variable(env, first(env, 'SALLYPORT_VAULT_JWT_VARIABLE') ?? 'SALLYPORT_ID_TOKEN');
}

const variable = (env: Environment, name: string): JwtSource =>
  givenJwt(SecretBytes.fromUtf8(need(env, name)));

const github = (env: Environment): JwtSource =>
  githubJwt({
    url: need(env, 'ACTIONS_ID_TOKEN_REQUEST_URL'),
    requestToken: SecretBytes.fromUtf8(need(env, 'ACTIONS_ID_TOKEN_REQUEST_TOKEN')),
    audience: first(env, 'SALLYPORT_VAULT_AUDIENCE'),
  });

function secretId(env: Environment) {
  const file = first(env, 'SALLYPORT_VAULT_SECRET_ID_FILE');
  if (file !== undefined) return { file };
  const wrapped = first(env, 'SALLYPORT_VAULT_WRAPPED_SECRET_ID_FILE');
  return wrapped === undefined ? undefined : { wrappingTokenFile: wrapped };
}

const first = (env: Environment, ...names: readonly string[]): string | undefined =>
  names.map((name) => env[name]).find((value) => value !== undefined && value !== '');

function need(env: Environment, name: string): string {
  const value = first(env, name);
  if (value !== undefined) return value;
  throw lacking(name);
}

function lacking(what: string): Fault {
  return new Fault('invalid', 'vault.environment', `expected the variable ${what}, found none`);
}
