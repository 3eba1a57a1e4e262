import type { X509Certificate } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Fault, parseStrictJson } from '@sallyport/formats';
import { parseDuration } from '../duration.ts';
import { isObject, type JsonObject } from '../fields.ts';
import type { Incoming, Method } from '../request/incoming.ts';
import { parsePath } from '../request/path.ts';
import type { Exchange } from './exchange.ts';

/** What is known of a request beside its own words. */
export interface Arrived {
  readonly id: string;
  readonly certificate: X509Certificate | undefined;
}

/** 4 MiB. */
export const maxBodyBytes = 4 * 1024 * 1024;
const maxQueryLength = 4096;
const maxQueryFields = 32;
const prefix = '/v1/';
const empty: JsonObject = Object.freeze(Object.create(null));
const methods: ReadonlySet<string> = new Set<Method>([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'LIST',
]);

/**
 * The door of `/v1/`: everything bounded, decoded once, refused with a 400 that says why. A promise only where the body
 * has to be waited for.
 */
export function readRequest(exchange: Exchange, arrived: Arrived): Incoming | Promise<Incoming> {
  const target = readTarget(exchange.url);
  const body = exchange.body();
  if (Buffer.isBuffer(body)) return readWhole(exchange, arrived, target, body);
  return body.then((bytes) => readWhole(exchange, arrived, target, bytes));
}

type Target = Pick<Incoming, 'path' | 'listing' | 'query'>;

function readTarget(url: string): Target {
  const mark = url.indexOf('?');
  const { path, listing } = parsePath(mark < 0 ? url.slice(prefix.length) : url.slice(prefix.length, mark));
  return { path, listing, query: mark < 0 ? noQuery : readQuery(url.slice(mark + 1)) };
}

function readWhole(exchange: Exchange, arrived: Arrived, target: Target, bodyBytes: Buffer): Incoming {
  const { headers, socket } = exchange;
  const { query } = target;
  try {
    refuseNamespace(headers['x-vault-namespace']);
    return {
      id: arrived.id,
      method: methodOf(exchange.method),
      path: target.path,
      listing: target.listing,
      help: query['help'] !== undefined,
      query,
      body: withQuery(bodyBytes.length === 0 ? empty : parseBody(bodyBytes), query),
      bodyBytes,
      token: tokenOf(headers),
      wrapSeconds: wrapOf(headers),
      headers,
      remoteAddress: socket.remoteAddress ?? '',
      remotePort: socket.remotePort ?? 0,
      certificate: arrived.certificate,
    };
  } catch (error) {
    bodyBytes.fill(0);
    throw error;
  }
}

/** To pass over it would be to answer from a place that the client did not mean. */
function refuseNamespace(namespace: string | readonly string[] | undefined): void {
  if (namespace === undefined || namespace === '' || namespace === 'root' || namespace === '/') return;
  throw invalid('no namespace: environments take their place', 'the header X-Vault-Namespace');
}

const noQuery: Readonly<Record<string, string>> = Object.freeze(Object.create(null));

function readQuery(text: string): Readonly<Record<string, string>> {
  if (text.length > maxQueryLength)
    throw invalid(`a query of at most ${maxQueryLength} characters`, `${text.length}`);
  const query: Record<string, string> = Object.create(null);
  let count = 0;
  for (const [name, value] of new URLSearchParams(text)) {
    count += 1;
    if (count > maxQueryFields) throw invalid(`at most ${maxQueryFields} query fields`, 'more');
    if (Object.hasOwn(query, name)) throw invalid('each query field once', `${JSON.stringify(name)} twice`);
    query[name] = value;
  }
  return query;
}

/**
 * Reads and lists take their fields from the query. All fields are in one place, so that what a policy says about
 * parameters holds for them wherever they were written; one that is in both places has no one meaning.
 */
function withQuery(body: JsonObject, query: Readonly<Record<string, string>>): JsonObject {
  if (query === noQuery) return body;
  const names = Object.keys(query).filter((name) => name !== 'list' && name !== 'help');
  if (names.length === 0) return body;
  const both = names.find((name) => Object.hasOwn(body, name));
  if (both !== undefined)
    throw invalid('each field once', `${JSON.stringify(both)} in the query and in the body`);
  const all: Record<string, unknown> = Object.assign(Object.create(null), body);
  for (const name of names) all[name] = query[name];
  return all;
}

function parseBody(bytes: Buffer): JsonObject {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw invalid('a body in UTF-8', 'other bytes');
  }
  if (text.trim() === '') return empty;
  const value = parseStrictJson(text, { maxBytes: maxBodyBytes });
  if (value === null) return empty;
  if (!isObject(value))
    throw invalid('a JSON object as body', Array.isArray(value) ? 'a list' : typeof value);
  return value;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const bearer = /^Bearer ([^\s]{1,4096})$/i;

function tokenOf(headers: IncomingHttpHeaders): string | undefined {
  const own = headers['x-vault-token'];
  if (typeof own === 'string' && own !== '') return own;
  return bearer.exec(headers.authorization ?? '')?.[1];
}

function wrapOf(headers: IncomingHttpHeaders): number | undefined {
  const value = headers['x-vault-wrap-ttl'];
  if (typeof value !== 'string' || value === '') return undefined;
  const seconds = parseDuration(value, 'X-Vault-Wrap-TTL');
  return seconds === 0 ? undefined : seconds;
}

function methodOf(verb: string): Method {
  if (methods.has(verb)) return verb as Method;
  throw new Fault('invalid', 'vault.unsupported_operation', 'unsupported operation');
}

function invalid(expected: string, got: string): Fault {
  return new Fault('invalid', 'vault.request', `expected ${expected}, got ${got}`);
}
