export { type Client, createClient, type Place } from './client.ts';
export { type CallOptions, type ClientOptions, createTransport, path, type Transport } from './transport.ts';
