import { SecretBytes } from '@sallyport/formats';
import { unexpected } from '../answer.ts';
import { jsonOf } from '../json-write.ts';
import { issuedBy, type LoginSource, type LoginTools, trimmed } from './source.ts';

export interface AppRoleLogin {
  /** Default `approle`. */
  readonly mount?: string | undefined;
  /** No secret by itself. */
  readonly roleId: string | { readonly file: string };
  /**
   * The other half: itself, a file with it, or a wrapping token that gives it once. Absent for roles without one. What
   * a wrapping token gave is kept in memory for the next login.
   */
  readonly secretId?:
    | SecretBytes
    | { readonly file: string }
    | { readonly wrappingToken: SecretBytes }
    | { readonly wrappingTokenFile: string }
    | undefined;
}

/** Signs a program in with a role id and a secret id. */
export function appRoleLogin({ mount = 'approle', roleId, secretId }: AppRoleLogin): LoginSource {
  const path = `auth/${mount}/login`;
  let unwrapped: SecretBytes | undefined;

  async function secret(tools: LoginTools): Promise<SecretBytes | undefined> {
    if (secretId === undefined) return undefined;
    if (secretId instanceof SecretBytes) return SecretBytes.from(secretId.expose());
    if ('file' in secretId) return trimmed(await tools.readFile(secretId.file));
    unwrapped ??= await unwrap(
      tools,
      'wrappingToken' in secretId
        ? secretId.wrappingToken
        : trimmed(await tools.readFile(secretId.wrappingTokenFile)),
    );
    return SecretBytes.from(unwrapped.expose());
  }

  return {
    name: 'approle',
    repeatable: true,
    async login(tools) {
      const role =
        typeof roleId === 'string'
          ? SecretBytes.fromUtf8(roleId)
          : trimmed(await tools.readFile(roleId.file));
      const second = await secret(tools);
      const body = jsonOf({
        role_id: { text: role },
        ...(second === undefined ? {} : { secret_id: { text: second } }),
      });
      try {
        return issuedBy(await tools.calls.send({ method: 'POST', path, body }), path);
      } finally {
        body.fill(0);
        second?.wipe();
      }
    },
  };
}

/** A refusal here means that somebody else unwrapped it: the server's words say so, and nobody should try again. */
async function unwrap({ calls }: LoginTools, token: SecretBytes): Promise<SecretBytes> {
  const path = 'sys/wrapping/unwrap';
  const answer = await calls.send({ method: 'POST', path }, token);
  try {
    const found = answer.find('data', 'secret_id');
    if (found?.kind !== 'string') throw unexpected('data.secret_id', path);
    return answer.secret(found);
  } finally {
    answer.wipe();
  }
}
