import { SecretBytes } from '@sallyport/formats';
import {
  caFromEnvironment,
  createVaultClient,
  type LoginSource,
  loginFromEnvironment,
  tokenLogin,
  type VaultClient,
} from '@sallyport/sdk';
import type { Invocation } from '../../command.ts';
import { warnIfOpen } from '../../connect.ts';
import { savedVaultToken } from './token-store.ts';

/** Where the secrets store is: --address, SALLYPORT_ADDR, VAULT_ADDR, else the server of `sally login`. */
export function vaultAddress({ flag, settings }: Invocation): string {
  const { env, address } = settings;
  return flag('address') ?? env['SALLYPORT_ADDR'] ?? (env['VAULT_ADDR'] || address);
}

export interface Connected {
  readonly client: VaultClient;
  /** Closes the client; a token that was made for this one command ends with it. */
  end(): Promise<void>;
}

/**
 * A client that signs in as VAULT_TOKEN, the login that SALLYPORT_VAULT_AUTH names, or the token of `sally vault login`
 * say, in this order.
 */
export function connectVault(invocation: Invocation, login?: LoginSource): Connected {
  const { settings, out } = invocation;
  const address = vaultAddress(invocation);
  const named = loginFromEnvironment(settings.env);
  const source = login ?? named ?? saved(invocation, address);
  if (source !== undefined) for (const each of addresses(address)) warnIfOpen(out, each);
  const client = createVaultClient({
    address: addresses(address),
    login: source,
    ca: caFromEnvironment(settings.env),
    onTrouble: (fault) => out.warn(`the token could not be renewed: ${wordsOf(fault)}`),
  });
  const revoke = login === undefined && named?.repeatable === true;
  return {
    client,
    // What was asked for is done or has failed already; a token that outlives it is the lesser trouble.
    end: () =>
      client.close({ revoke }).catch((error: unknown) => {
        out.warn(`the token of this command was not ended: ${wordsOf(error)}`);
      }),
  };
}

/** Does something with the secrets store, and closes the client. */
export async function withVault<T>(
  invocation: Invocation,
  action: (client: VaultClient) => Promise<T>,
  login?: LoginSource,
): Promise<T> {
  const { client, end } = connectVault(invocation, login);
  const done = invocation.out.progress(`waiting for ${client.address}`);
  invocation.whenInterrupted(end);
  try {
    return await action(client);
  } finally {
    done();
    await end();
  }
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const addresses = (text: string): readonly string[] => text.split(',').map((each) => each.trim());

function saved({ settings }: Invocation, address: string): LoginSource | undefined {
  const token = savedVaultToken(settings, address);
  return token === undefined ? undefined : tokenLogin(SecretBytes.fromUtf8(token));
}
