import { Fault, fromUtf8, utf8 } from '@sallyport/formats';
import type { Clock } from '#platform';
import { decryptFailed } from '../faults.ts';
import type { Environment } from './aws-credentials.ts';
import { createCached, type Expiring } from './cached.ts';
import { tokenOf } from './gcp-kms.ts';
import type { RemoteKey } from './remote-seal.ts';
import { bytesOf, objectOf, type SealCall, type SealHttp, textField } from './seal-http.ts';
import { readSecretFile } from './secret-file.ts';

export interface AzureKeyVaultConfig {
  readonly kind: 'azurekeyvault';
  /** `https://<name>.vault.azure.net`. */
  readonly vaultUrl: string;
  /** Name of an RSA key. */
  readonly key: string;
  /** Of the machine's managed identity when absent. The secret comes from AZURE_CLIENT_SECRET or a federated token. */
  readonly tenantId?: string;
  readonly clientId?: string;
  readonly loginUrl?: string;
  readonly metadataUrl?: string;
}

const service = 'Azure Key Vault';
const tokenService = 'the credentials service of Azure';
const apiVersion = '7.4';
const algorithm = 'RSA-OAEP-256';

/**
 * Wraps with RSA-OAEP: Key Vault has no symmetric keys outside of its HSM tier, and so no associated data. Whoever knows
 * the public key can wrap, so this seal hides the root key but does not prove that we sealed it.
 */
export function azureKeyVaultKey(
  config: AzureKeyVaultConfig,
  { http, clock, environment }: { http: SealHttp; clock: Clock; environment: Environment },
): RemoteKey {
  const base = new URL(config.vaultUrl).origin;
  if (!/^[0-9a-zA-Z-]{1,127}$/.test(config.key)) {
    throw new Fault(
      'invalid',
      'keyring.seal_config',
      'expected the name of a key in Key Vault, got another text',
    );
  }
  const token = createCached(clock, () =>
    config.tenantId === undefined
      ? fromMetadata(config, http, clock)
      : fromLogin(config, config.tenantId, http, clock, environment),
  );

  function call(action: 'wrapkey' | 'unwrapkey', version: string, value: Uint8Array): SealCall {
    const path = `keys/${config.key}${version === '' ? '' : `/${version}`}/${action}`;
    return {
      service,
      build: async () => ({
        url: `${base}/${path}?api-version=${apiVersion}`,
        method: 'POST',
        headers: { authorization: `Bearer ${await token()}`, 'content-type': 'application/json' },
        body: JSON.stringify({ alg: algorithm, value: Buffer.from(value).toString('base64url') }),
      }),
      doesNotOpen: (status) => action === 'unwrapkey' && status === 400,
    };
  }

  return {
    kind: config.kind,
    name: `${base}/keys/${config.key}`,
    async encrypt(plaintext) {
      const answer = await http.json(call('wrapkey', '', plaintext));
      // Unwrapping needs the version that wrapped; of the answer, only that is taken, never an address.
      const version = textField(answer, 'kid', service).split('/').at(-1) ?? '';
      return utf8(JSON.stringify({ version, value: textField(answer, 'value', service) }));
    },
    async decrypt(blob) {
      const { version, value } = objectOf(textOf(blob)) ?? {};
      if (typeof version !== 'string' || typeof value !== 'string') throw decryptFailed();
      if (!/^[0-9a-zA-Z]{1,64}$/.test(version)) throw decryptFailed();
      const answer = await http.json(call('unwrapkey', version, bytesOf(value)));
      return bytesOf(textField(answer, 'value', service));
    },
  };
}

function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch {
    throw decryptFailed();
  }
}

async function fromMetadata(
  config: AzureKeyVaultConfig,
  http: SealHttp,
  clock: Clock,
): Promise<Expiring<string>> {
  const query = new URLSearchParams({ 'api-version': '2018-02-01', resource: 'https://vault.azure.net' });
  if (config.clientId !== undefined) query.set('client_id', config.clientId);
  const base = config.metadataUrl ?? 'http://169.254.169.254';
  const answer = await http.json({
    service: tokenService,
    build: () => ({
      url: `${base}/metadata/identity/oauth2/token?${query}`,
      method: 'GET',
      headers: { metadata: 'true' },
    }),
  });
  return tokenOf(answer, clock);
}

/** Client credentials (RFC 6749 section 4.4), with a secret or with a federated token (RFC 7523 section 2.2). */
async function fromLogin(
  config: AzureKeyVaultConfig,
  tenant: string,
  http: SealHttp,
  clock: Clock,
  environment: Environment,
): Promise<Expiring<string>> {
  const answer = await http.json({
    service: tokenService,
    async build() {
      const form = new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: config.clientId ?? '',
        scope: 'https://vault.azure.net/.default',
      });
      const secret = environment['AZURE_CLIENT_SECRET'];
      if (secret === undefined) {
        form.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
        form.set('client_assertion', await readSecretFile(environment['AZURE_FEDERATED_TOKEN_FILE'] ?? ''));
      } else form.set('client_secret', secret);
      const base = config.loginUrl ?? 'https://login.microsoftonline.com';
      return {
        url: `${base}/${encodeURIComponent(tenant)}/oauth2/v2.0/token`,
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: form.toString(),
      };
    },
  });
  return tokenOf(answer, clock);
}
