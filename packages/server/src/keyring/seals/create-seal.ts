import type { Clock, Log, Random } from '#platform';
import { createEntropy } from '../entropy.ts';
import { fileSeal } from '../file-seal.ts';
import type { Seal } from '../seal.ts';
import type { Environment } from './aws-credentials.ts';
import { type AwsKmsConfig, awsKmsKey } from './aws-kms.ts';
import { type AzureKeyVaultConfig, azureKeyVaultKey } from './azure-key-vault.ts';
import { type GcpKmsConfig, gcpKmsKey } from './gcp-kms.ts';
import { type Pkcs11Config, pkcs11Key } from './pkcs11-key.ts';
import { remoteSeal } from './remote-seal.ts';
import { createSealHttp } from './seal-http.ts';
import { createShareSeal } from './share-seal.ts';
import { type TransitConfig, transitKey } from './vault-transit.ts';

/** No credential is part of it: those come from files or the environment, in the way of each service. */
export type SealConfig =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'shamir' }
  | Pkcs11Config
  | AwsKmsConfig
  | GcpKmsConfig
  | AzureKeyVaultConfig
  | TransitConfig;

export interface SealDeps {
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Log;
  readonly fetch: typeof fetch;
  /** Where the services' own names of credentials are looked up: `AWS_ACCESS_KEY_ID` and so on. */
  readonly environment: Environment;
}

/** Nothing is read, loaded or asked before the first `wrap` or `unwrap`. */
export function createSeal(config: SealConfig, deps: SealDeps): Seal {
  const { random, clock, log, environment } = deps;
  const http = createSealHttp(deps.fetch);
  const entropy = createEntropy(random);
  switch (config.kind) {
    case 'file':
      return fileSeal(config.path, random);
    case 'shamir':
      return createShareSeal(entropy);
    case 'pkcs11':
      return remoteSeal(pkcs11Key(config, { entropy, environment }));
    case 'awskms':
      return remoteSeal(awsKmsKey(config, { http, clock, environment }));
    case 'gcpckms':
      return remoteSeal(gcpKmsKey(config, { http, clock }));
    case 'azurekeyvault':
      return remoteSeal(azureKeyVaultKey(config, { http, clock, environment }));
    case 'transit':
      return remoteSeal(transitKey(config, { http, log, environment }));
  }
}
