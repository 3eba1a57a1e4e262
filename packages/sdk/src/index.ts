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
export type { SecretPlace } from './secrets.ts';
export { type CallOptions, type ClientOptions, createTransport, path, type Transport } from './transport.ts';
