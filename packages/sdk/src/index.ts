export { type CallOptions, type ClientOptions, createTransport, path, type Transport } from './transport.ts';
