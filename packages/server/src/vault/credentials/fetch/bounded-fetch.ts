import { once } from 'node:events';
import { type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import { Fault, isFault } from '@sallyport/formats';

/** All that one question to a foreign server may take: connecting, TLS, headers and a body that trickles. */
export const fetchTimeoutMs = 5000;
const maxHeaderBytes = 16 * 1024;

export interface BoundedRequest {
  /** Of `parseEndpoint`. */
  readonly url: URL;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The only certificate authorities to believe, as PEM; those of the system when empty. */
  readonly caPem: string;
  readonly maxBytes: number;
  /** Ends the whole exchange, of several questions perhaps; see `fetchTimeoutMs`. */
  readonly signal: AbortSignal;
}

export interface BoundedAnswer {
  /** Never a redirect. */
  readonly status: number;
  readonly cacheControl: string | undefined;
  readonly body: Buffer;
}

/** Throws `Fault('unavailable')` for everything that is not an answer within the bounds. */
export type BoundedFetch = (request: BoundedRequest) => Promise<BoundedAnswer>;

/**
 * Asks a foreign server one question. Redirects are refused: they lead away from the address that was configured, and
 * could lead to one that only this machine reaches. Compression is refused: its size is known only when it is too late.
 * Connections are not kept, so that nothing outlives a changed configuration.
 */
export const boundedFetch: BoundedFetch = async (request) => {
  try {
    const outgoing = open(request);
    // After the answer began, an error of the connection comes a second time, here; unheard it would end the process.
    outgoing.on('error', () => undefined);
    const answered = once(outgoing, 'response', { signal: request.signal });
    outgoing.end(request.body);
    // `once` gives what the event carries; for "response" that is the message.
    const [answer] = (await answered) as [IncomingMessage];
    try {
      return await read(answer, request.maxBytes);
    } finally {
      outgoing.destroy();
    }
  } catch (error) {
    if (isFault(error)) throw error;
    const reason = request.signal.aborted ? 'no complete answer in time' : 'no usable connection';
    throw unavailable(`expected an answer of the configured server, got ${reason}`, error);
  }
};

function open({ url, method, headers, body, caPem, signal }: BoundedRequest) {
  const options: RequestOptions = {
    method: method ?? 'GET',
    agent: false,
    maxHeaderSize: maxHeaderBytes,
    signal,
    headers: {
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': 'sallyport',
      ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
      ...headers,
    },
  };
  if (url.protocol === 'http:')
    return requestHttp(url, url.hostname === 'localhost' ? { ...options, lookup: loopback } : options);
  return requestHttps(url, {
    ...options,
    ...(caPem === '' ? {} : { ca: caPem }),
    minVersion: 'TLSv1.2',
    // Said aloud, so that an environment variable cannot say otherwise.
    rejectUnauthorized: true,
  });
}

async function read(answer: IncomingMessage, maxBytes: number): Promise<BoundedAnswer> {
  const status = answer.statusCode ?? 0;
  if (status < 200 || (status >= 300 && status < 400))
    throw unavailable(`expected an answer of the configured server itself, got status ${status}`);
  const encoding = answer.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    throw unavailable('expected an answer without compression, got a compressed one');
  const tooLarge = () => unavailable(`expected an answer of at most ${maxBytes} bytes, got more`);
  if (Number(answer.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer) {
    // Without an encoding set, a message yields buffers.
    const bytes = chunk as Buffer;
    size += bytes.length;
    if (size > maxBytes) throw tooLarge();
    chunks.push(bytes);
  }
  return { status, cacheControl: answer.headers['cache-control'], body: Buffer.concat(chunks) };
}

/** "localhost" is this machine whatever a name server says (RFC 6761 section 6.3). */
const loopback: LookupFunction = (_host, options, done) => {
  if (options.all)
    done(null, [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ]);
  else done(null, '127.0.0.1', 4);
};

export function unavailable(message: string, cause?: unknown): Fault {
  return new Fault('unavailable', 'vault.upstream', message, { cause });
}
