export { bodyOf } from './answer.ts';
export {
  type Client,
  createClient,
  createClientOn,
  type KeyScope,
  type LogOptions,
  type Place,
} from './client.ts';
export { exitCodeOf } from './exit-code.ts';
export { createFailover } from './failover.ts';
export type { Me, NewToken, Policy, Principal, TokenView } from './identity.ts';
export type { InventoryFilter } from './inventory.ts';
export type { SecretPlace } from './secrets.ts';
export { type CallOptions, type ClientOptions, createTransport, path, type Transport } from './transport.ts';
export type { Answer } from './vault/answer.ts';
export type { VaultCall } from './vault/calls.ts';
export { createVaultClient, type VaultClient, type VaultClientOptions } from './vault/client.ts';
export { caFromEnvironment, fromEnvironment, loginFromEnvironment } from './vault/from-environment.ts';
export { type JsonPlace, placesOf, unescaped } from './vault/json-bytes.ts';
export type { NewSecret } from './vault/kv.ts';
export { appRoleLogin } from './vault/login/approle.ts';
export { givenJwt, jwtFile, jwtLogin, kubernetesLogin } from './vault/login/jwt.ts';
export type { LoginSource } from './vault/login/source.ts';
export { tokenLogin } from './vault/login/token.ts';
export { userpassLogin } from './vault/login/userpass.ts';
export type { VaultSecret } from './vault/secret.ts';
