import {
  Agent as HttpAgent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as openHttp,
} from 'node:http';
import { Agent as HttpsAgent, request as openHttps } from 'node:https';
import { Fault } from '@sallyport/formats';

export interface WireRequest {
  readonly method: string;
  /** With its query, encoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  /** Milliseconds until the whole answer must be here. */
  readonly timeoutMs: number;
  /** Most bytes of an answer. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The caller wipes it. */
  readonly body: Buffer;
}

/** One server. Answers come as buffers that can be wiped, which those of `fetch` cannot. */
export interface Wire {
  readonly address: string;
  /** Gives whatever was answered, also refusals. Throws Fault `sdk.unreachable`, `sdk.timeout`, `sdk.broken_answer`. */
  send(request: WireRequest): Promise<WireAnswer>;
  close(): void;
}

/** With `ca` (PEM) only certificates of these authorities are believed. */
export function createWire(address: string, ca?: string): Wire {
  const base = URL.canParse(address) ? new URL(address) : undefined;
  const known = base?.protocol === 'http:' || base?.protocol === 'https:';
  if (base === undefined || !known || base.username !== '' || base.search !== '' || base.hash !== '') {
    throw new Fault(
      'invalid',
      'sdk.address',
      `expected an address such as https://vault.example:8200, got '${address}'`,
    );
  }
  const secure = base.protocol === 'https:';
  const options = { keepAlive: true, maxSockets: 32, maxFreeSockets: 4 };
  const agent = secure
    ? new HttpsAgent({ ...options, ...(ca === undefined ? {} : { ca }) })
    : new HttpAgent(options);
  const prefix = base.pathname.replace(/\/+$/, '');
  const shown = `${base.origin}${prefix}`;

  async function send(request: WireRequest): Promise<WireAnswer> {
    const time = AbortSignal.timeout(request.timeoutMs);
    const signal = request.signal === undefined ? time : AbortSignal.any([time, request.signal]);
    try {
      return await exchange(request, signal);
    } catch (cause) {
      if (cause instanceof Fault || request.signal?.aborted) throw cause;
      if (time.aborted) {
        const seconds = request.timeoutMs / 1000;
        throw new Fault('unavailable', 'sdk.timeout', `no answer from ${shown} within ${seconds} s`, {
          cause,
        });
      }
      throw unreachable(shown, cause);
    }
  }

  const exchange = (request: WireRequest, signal: AbortSignal): Promise<WireAnswer> =>
    new Promise((resolve, reject) => {
      const { body } = request;
      const length = body === undefined ? {} : { 'content-length': String(body.length) };
      const open = secure ? openHttps : openHttp;
      const sent = open(
        new URL(shown + request.path),
        { method: request.method, agent, signal, headers: { ...request.headers, ...length } },
        (message) => {
          bodyOf(message, request.maxBytes, shown).then(
            (bytes) => resolve({ status: message.statusCode ?? 0, headers: message.headers, body: bytes }),
            reject,
          );
        },
      );
      sent.once('error', reject);
      // Written with the head where it fits, so that most requests are one packet.
      sent.end(body);
    });

  return { address: shown, send, close: () => agent.destroy() };
}

async function bodyOf(message: IncomingMessage, maxBytes: number, address: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of message as AsyncIterable<Buffer>) {
      size += chunk.length;
      chunks.push(chunk);
      if (size > maxBytes) {
        message.destroy();
        throw new Fault(
          'exhausted',
          'sdk.answer_too_large',
          `expected at most ${maxBytes} bytes, the answer has more`,
        );
      }
    }
    if (!message.complete) throw new Error('the connection ended before the answer did');
    return Buffer.concat(chunks);
  } catch (cause) {
    if (cause instanceof Fault || isAbort(cause)) throw cause;
    const what = `the answer of ${address} ended before it was complete`;
    throw new Fault('unavailable', 'sdk.broken_answer', what, { cause });
  } finally {
    for (const chunk of chunks) chunk.fill(0);
  }
}

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError';

function unreachable(address: string, cause: unknown): Fault {
  const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (/CERT|SELF_SIGNED|UNABLE_TO|ALTNAME|TLS|SSL/.test(reason)) {
    return new Fault('denied', 'sdk.certificate', `expected a trusted certificate of ${address}: ${reason}`, {
      hint: 'VAULT_CACERT names the file of the authority that signed it',
      cause,
    });
  }
  const tail = reason === '' ? '' : `: ${reason}`;
  return new Fault('unavailable', 'sdk.unreachable', `no answer from ${address}${tail}`, {
    hint: 'is the server running, and is the address right?',
    cause,
  });
}
