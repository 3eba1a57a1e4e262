import { Fault, type FaultDetails, type FaultKind, faultKinds } from '@sallyport/formats';

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
}

/** The one place that speaks HTTP for our own clients: bearer token, time limit, problem+json turned into a Fault. */
export interface Transport {
  readonly address: string;
  /** Sends a request and returns the parsed JSON answer, or undefined for 204. Throws Fault. */
  json<T>(method: string, path: string, options?: CallOptions): Promise<T>;
  /** Sends a request and returns the raw response, already checked to be a success. Throws Fault. */
  raw(method: string, path: string, options?: CallOptions): Promise<Response>;
}

/** `/api/runs/` + encodeURIComponent per segment: no value can leave its place in the path. */
export function path(strings: TemplateStringsArray, ...values: readonly string[]): string {
  return strings.reduce((text, part, index) => {
    const value = values[index];
    return text + part + (value === undefined ? '' : encodeURIComponent(value));
  }, '');
}

export function createTransport(options: ClientOptions): Transport {
  const send = options.fetch ?? fetch;
  const base = options.address.replace(/\/+$/, '');

  async function raw(method: string, target: string, call: CallOptions = {}): Promise<Response> {
    const url = new URL(base + target);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers = new Headers(call.headers);
    if (options.token !== undefined) headers.set('authorization', `Bearer ${options.token}`);
    if (call.body !== undefined) headers.set('content-type', 'application/json');
    const time = AbortSignal.timeout(call.timeoutMs ?? options.timeoutMs ?? 60_000);
    const signal = call.signal === undefined ? time : AbortSignal.any([time, call.signal]);
    let response: Response;
    try {
      response = await send(url, { method, headers, signal, redirect: 'error', ...bodyOf(call) });
    } catch (cause) {
      if (call.signal?.aborted) throw cause;
      throw new Fault('unavailable', 'sdk.unreachable', `no answer from ${base}`, {
        hint: 'is the server running? `sally up` starts one; SALLYPORT_ADDR names another',
        cause,
      });
    }
    if (!response.ok) throw await faultOf(response);
    return response;
  }

  return {
    address: base,
    raw,
    async json<T>(method: string, target: string, call?: CallOptions): Promise<T> {
      const response = await raw(method, target, call);
      // The server answers by the contract's schemas; what must not be trusted is verified with `formats`, not here.
      if (response.status === 204) return undefined as T;
      return (await response.json()) as T;
    },
  };
}

function bodyOf(call: CallOptions): RequestInit {
  if (call.stream !== undefined) return { body: ReadableStream.from(call.stream), duplex: 'half' };
  if (call.bytes !== undefined) return { body: call.bytes };
  return call.body === undefined ? {} : { body: JSON.stringify(call.body) };
}

async function faultOf(response: Response): Promise<Fault> {
  const text = await response.text().catch(() => '');
  const problem = readProblem(text);
  const details: Record<string, FaultDetails[string]> = { ...problem.details, status: response.status };
  if (problem.requestId !== undefined) details['requestId'] = problem.requestId;
  return new Fault(
    problem.kind ?? kindOfStatus(response.status),
    problem.code ?? 'sdk.unexpected_answer',
    problem.detail ?? `expected a success, got status ${response.status}`,
    problem.hint === undefined ? { details } : { hint: problem.hint, details },
  );
}

interface Problem {
  readonly kind?: FaultKind;
  readonly code?: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly requestId?: string;
  readonly details?: FaultDetails;
}

function readProblem(text: string): Problem {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return {};
  }
  if (typeof parsed !== 'object' || parsed === null) return {};
  const fields: Record<string, unknown> = { ...parsed };
  const one = (name: string): string | undefined =>
    typeof fields[name] === 'string' ? fields[name].slice(0, 4000) : undefined;
  const kind = faultKinds.find((known) => known === fields['kind']);
  const [code, detail, hint, requestId] = [one('code'), one('detail'), one('hint'), one('requestId')];
  return {
    ...(kind === undefined ? {} : { kind }),
    ...(code === undefined ? {} : { code }),
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(typeof fields['details'] === 'object' && fields['details'] !== null
      ? { details: fields['details'] as FaultDetails } // shown to a person only, never branched on
      : {}),
  };
}

function kindOfStatus(status: number): FaultKind {
  if (status === 401) return 'unauthenticated';
  if (status === 403) return 'denied';
  if (status === 404) return 'not_found';
  if (status === 409) return 'conflict';
  if (status === 412) return 'precondition';
  if (status === 413 || status === 429) return 'exhausted';
  if (status === 502 || status === 503 || status === 504) return 'unavailable';
  return status < 500 ? 'invalid' : 'internal';
}
