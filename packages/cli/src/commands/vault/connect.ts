import { SecretBytes } from '@sallyport/formats';
import {
  caFromEnvironment,
  createVaultClient,
  type LoginSource,
  loginFromEnvironment,
  tokenLogin,
  type VaultClient,
  type VaultClientOptions,
} from '@sallyport/sdk';
import type { Invocation } from '../../command.ts';
import { warnIfOpen } from '../../connect.ts';
import { savedVaultToken } from './token-store.ts';

/** Where the secrets store is: --address, SALLYPORT_ADDR, VAULT_ADDR, else the server of `sally login`. */
export function vaultAddress({ flag, settings }: Invocation): string {
  const { env, address } = settings;
  return flag('address') ?? env['SALLYPORT_ADDR'] ?? (env['VAULT_ADDR'] || address);
}

/**
 * Does something with the secrets store, signed in as VAULT_TOKEN, the login that SALLYPORT_VAULT_AUTH names, or the
 * token of `sally vault login` say, in this order. A token that was made for this one command ends with it.
 */
export async function withVault<T>(
  invocation: Invocation,
  action: (client: VaultClient) => Promise<T>,
  options: Partial<VaultClientOptions> = {},
): Promise<T> {
  const { settings, out } = invocation;
  const address = vaultAddress(invocation);
  const named = options.login ?? loginFromEnvironment(settings.env);
  const login = named ?? saved(invocation, address);
  if (login !== undefined) for (const each of addresses(address)) warnIfOpen(out, each);
  const done = out.progress(`waiting for ${address}`);
  const client = createVaultClient({
    address: addresses(address),
    login,
    ca: caFromEnvironment(settings.env),
    onTrouble: (fault) => out.warn(`the token could not be renewed: ${String(fault)}`),
    ...options,
  });
  const end = async (revoke: boolean): Promise<void> => {
    done();
    await client.close({ revoke });
  };
  const own = named?.repeatable === true && options.login === undefined;
  invocation.whenInterrupted(() => end(own));
  try {
    return await action(client);
  } finally {
    // What was asked for is done or has failed already; a token that outlives it is the lesser trouble.
    await end(own).catch((error: unknown) =>
      out.warn(`the token of this command was not ended: ${String(error)}`),
    );
  }
}

const addresses = (text: string): readonly string[] => text.split(',').map((each) => each.trim());

function saved({ settings }: Invocation, address: string): LoginSource | undefined {
  const token = savedVaultToken(settings, address);
  return token === undefined ? undefined : tokenLogin(SecretBytes.fromUtf8(token));
}
