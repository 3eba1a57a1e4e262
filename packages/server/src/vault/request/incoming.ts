import type { X509Certificate } from 'node:crypto';
import type { JsonObject } from '../fields.ts';

/** A request that passed the door: bounded, decoded once, and not yet believed. */
export interface Incoming {
  readonly id: string;
  readonly method: Method;
  /** Below `/v1/`, decoded, without a slash at either end; `listing` says whether there was one at the end. */
  readonly path: string;
  readonly listing: boolean;
  readonly help: boolean;
  readonly query: Readonly<Record<string, string>>;
  readonly body: JsonObject;
  /** The body as it came, for what must keep its bytes; wiped when the request is over. */
  readonly bodyBytes: Buffer;
  readonly token: string | undefined;
  /** Seconds; absent when no wrapping was asked for. */
  readonly wrapSeconds: number | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly certificate: X509Certificate | undefined;
}

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'LIST';
