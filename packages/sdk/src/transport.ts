import { Fault } from '@sallyport/formats';
import { readBounded } from './answer.ts';
import { faultOf } from './problem.ts';

export interface ClientOptions {
  /** Where the server is: `http://127.0.0.1:7270`. */
  readonly address: string;
  /** Bearer token; leave it out for the few public routes. */
  readonly token?: string;
  readonly fetch?: typeof fetch;
  /** Milliseconds one request may take, unless the call says otherwise. Default 60,000. */
  readonly timeoutMs?: number;
}

export interface CallOptions {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly bytes?: Uint8Array<ArrayBuffer>;
  /** A body that is sent as it comes, never held whole. */
  readonly stream?: AsyncIterable<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Most bytes of an answer that `json` and `text` hold. Default 64 MiB. */
  readonly maxBytes?: number;
}

/** The one place that speaks HTTP for our own clients: bearer token, time limit, problem+json turned into a Fault. */
export interface Transport {
  readonly address: string;
  /** Sends a request and returns the parsed JSON answer, or undefined for 204. Throws Fault. */
  json<T>(method: string, path: string, options?: CallOptions): Promise<T>;
  /** Sends a request and returns the text of the answer. Throws Fault. */
  text(method: string, path: string, options?: CallOptions): Promise<string>;
  /**
   * Sends a request and returns the raw response, already checked to be a success. Throws Fault. The time limit holds
   * for reading the body too.
   */
  raw(method: string, path: string, options?: CallOptions): Promise<Response>;
}

/** `/api/runs/` + encodeURIComponent per segment: no value can leave its place in the path. */
export function path(strings: TemplateStringsArray, ...values: readonly string[]): string {
  return strings.reduce((text, part, index) => {
    const value = values[index];
    return text + part + (value === undefined ? '' : encodeURIComponent(value));
  }, '');
}

const defaultTimeoutMs = 60_000;
const maxAnswerBytes = 64 * 1024 * 1024;

export function createTransport(options: ClientOptions): Transport {
  const send = options.fetch ?? fetch;
  const base = baseOf(options.address);

  async function raw(method: string, target: string, call: CallOptions = {}): Promise<Response> {
    const url = new URL(base + target);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers = new Headers(call.headers);
    if (options.token !== undefined) headers.set('authorization', `Bearer ${options.token}`);
    if (call.body !== undefined) headers.set('content-type', 'application/json');
    const timeoutMs = call.timeoutMs ?? options.timeoutMs ?? defaultTimeoutMs;
    const time = AbortSignal.timeout(timeoutMs);
    const signal = call.signal === undefined ? time : AbortSignal.any([time, call.signal]);
    let response: Response;
    try {
      response = await send(url, { method, headers, signal, redirect: 'manual', ...bodyOf(call) });
    } catch (cause) {
      if (call.signal?.aborted) throw cause;
      throw time.aborted ? tooSlow(base, timeoutMs, cause) : unreachable(base, cause);
    }
    if (response.status >= 300 && response.status < 400) throw await redirected(base, response);
    if (!response.ok) throw await faultOf(response);
    return response;
  }

  async function text(method: string, target: string, call: CallOptions = {}): Promise<string> {
    const response = await raw(method, target, call);
    try {
      return await readBounded(response, call.maxBytes ?? maxAnswerBytes);
    } catch (cause) {
      if (cause instanceof Fault || call.signal?.aborted) throw cause;
      throw new Fault(
        'unavailable',
        'sdk.broken_answer',
        `the answer of ${base} ended before it was complete`,
        {
          cause,
        },
      );
    }
  }

  return {
    address: base,
    raw,
    text,
    async json<T>(method: string, target: string, call?: CallOptions): Promise<T> {
      const answer = await text(method, target, call);
      // 204: no content, and nobody asks for any.
      if (answer === '') return undefined as T;
      try {
        // The server answers by the contract's schemas; what must not be trusted is verified with `formats`, not here.
        return JSON.parse(answer) as T;
      } catch (cause) {
        throw new Fault(
          'unavailable',
          'sdk.unexpected_answer',
          `expected JSON from ${base}, got something else`,
          {
            hint: 'is the address that of a Sallyport server?',
            cause,
          },
        );
      }
    },
  };
}

function baseOf(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url !== undefined && (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '') {
    return address.replace(/\/+$/, '');
  }
  throw new Fault(
    'invalid',
    'sdk.address',
    `expected an address such as http://127.0.0.1:7270, got '${address}'`,
  );
}

function tooSlow(base: string, timeoutMs: number, cause: unknown): Fault {
  return new Fault('unavailable', 'sdk.timeout', `no answer from ${base} within ${timeoutMs / 1000} s`, {
    cause,
  });
}

function unreachable(base: string, cause: unknown): Fault {
  return new Fault('unavailable', 'sdk.unreachable', `no answer from ${base}`, {
    hint: 'is the server running? `sally up` starts one; SALLYPORT_ADDR names another',
    cause,
  });
}

/** Followed, a redirect would carry the token and the request to a place that nobody named. */
async function redirected(base: string, response: Response): Promise<Fault> {
  const to = (response.headers.get('location') ?? 'nowhere').slice(0, 400);
  await response.body?.cancel();
  return new Fault('invalid', 'sdk.redirected', `expected an answer from ${base}, got a redirect to ${to}`, {
    hint: 'give the address of the server itself, if you trust that place',
  });
}

function bodyOf(call: CallOptions): RequestInit {
  if (call.stream !== undefined) return { body: ReadableStream.from(call.stream), duplex: 'half' };
  if (call.bytes !== undefined) return { body: call.bytes };
  return call.body === undefined ? {} : { body: JSON.stringify(call.body) };
}
