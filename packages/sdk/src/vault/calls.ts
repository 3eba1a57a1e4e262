import { Fault, isFault, type SecretBytes } from '@sallyport/formats';
import { type Answer, readAnswer } from './answer.ts';
import { faultOfAnswer } from './faults.ts';
import { encodedPath, plainPath } from './paths.ts';
import { backOff, pause, type Timing } from './timing.ts';
import type { Wire, WireAnswer } from './wire.ts';

export interface VaultCall {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below `/v1/`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** An object without secrets, or JSON that the caller wipes. */
  readonly body?: Readonly<Record<string, unknown>> | Uint8Array | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses that are no refusal here, beside 200 and 204. */
  readonly accept?: readonly number[];
  /** Milliseconds for one attempt. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Calls {
  /** The server that answered last. */
  readonly address: string;
  /** Throws Fault; the caller wipes the answer. */
  send(call: VaultCall, token?: SecretBytes): Promise<Answer>;
}

export interface CallsDeps {
  /** Replicas of one another, tried in this order and kept to while they answer. */
  readonly wires: readonly Wire[];
  readonly timing: Timing;
  readonly timeoutMs: number;
  /** Most bytes of an answer. */
  readonly maxBytes: number;
  /** Times one call is sent, the first included, to all servers together. */
  readonly attempts: number;
}

const longestPauseMs = 10_000;

/**
 * Requests to several servers as to one. What cannot have been done is sent again: a refused connection, 429, and 503
 * with `Retry-After`. What may have been done is sent again only when it is a read.
 */
export function createCalls(deps: CallsDeps): Calls {
  const { wires, timing } = deps;
  const [first] = wires;
  if (first === undefined) throw new Fault('invalid', 'sdk.no_address', 'expected an address, got none');
  let current: Wire = first;

  const next = (from: Wire): void => {
    // Several calls may fail together; only the first of them moves on.
    if (current === from) current = wires[(wires.indexOf(from) + 1) % wires.length] ?? from;
  };

  async function once(wire: Wire, call: VaultCall, token: SecretBytes | undefined): Promise<WireAnswer> {
    const made = call.body === undefined || call.body instanceof Uint8Array ? undefined : jsonBody(call.body);
    try {
      return await wire.send({
        method: call.method,
        path: target(call),
        headers: {
          accept: 'application/json',
          'x-vault-request': 'true',
          ...(call.body === undefined ? {} : { 'content-type': contentType(call) }),
          ...(token === undefined ? {} : { 'x-vault-token': tokenText(token) }),
          ...call.headers,
        },
        body: made ?? (call.body as Uint8Array | undefined), // neither absent nor a plain object, as seen above
        timeoutMs: call.timeoutMs ?? deps.timeoutMs,
        maxBytes: deps.maxBytes,
        signal: call.signal,
      });
    } finally {
      made?.fill(0);
    }
  }

  async function send(call: VaultCall, token?: SecretBytes): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      const asked = current;
      const outcome = await once(asked, call, token).catch((error: unknown) => error);
      const failure = judge(outcome, call, asked, wires.length > 1);
      if (failure === undefined) return readAnswer(outcome as WireAnswer); // judged to be one
      if (failure.elsewhere) next(asked);
      const pauseMs = failure.retry(backOff(timing, attempt - 1, 100, 5_000));
      if (pauseMs === undefined || attempt >= deps.attempts || call.signal?.aborted) throw failure.error;
      // Another server need not be waited for.
      await pause(
        timing,
        failure.elsewhere && wires.length > 1 ? Math.min(pauseMs, 50) : pauseMs,
        call.signal,
      );
    }
  }

  return {
    get address() {
      return current.address;
    },
    send,
  };
}

interface Failure {
  readonly error: unknown;
  /** Whether another server may do better. */
  readonly elsewhere: boolean;
  /** Milliseconds to wait before the next attempt; undefined: never. */
  retry(usualMs: number): number | undefined;
}

function judge(outcome: unknown, call: VaultCall, wire: Wire, others: boolean): Failure | undefined {
  const repeatable = call.method === 'GET';
  if (!isWireAnswer(outcome)) {
    const lost = isFault(outcome) && outcome.kind === 'unavailable';
    const again = lost && (repeatable || neverArrived(outcome));
    return { error: outcome, elsewhere: lost, retry: (usualMs) => (again ? usualMs : undefined) };
  }
  const { status, headers, body } = outcome;
  if (status === 200 || status === 204 || call.accept?.includes(status)) return undefined;
  if (status >= 300 && status < 400) {
    const to = String(headers.location ?? 'nowhere').slice(0, 400);
    return never(
      new Fault(
        'invalid',
        'sdk.redirected',
        `expected an answer from ${wire.address}, got a redirect to ${to}`,
        {
          hint: 'give the address of the server itself, if you trust that place',
        },
      ),
    );
  }
  const error = faultOfAnswer(status, body, call.path);
  body.fill(0);
  const told = retryAfterMs(headers['retry-after']);
  // Sealed: people open it, and not within seconds.
  const hopeless = error.code === 'vault.sealed' && !others;
  const undone = !hopeless && (status === 429 || (status === 503 && (told !== undefined || repeatable)));
  if (told !== undefined && told > longestPauseMs) return never(error);
  return {
    error,
    elsewhere: error.kind === 'unavailable',
    retry: (usualMs) => (undone ? (told ?? usualMs) : undefined),
  };
}

const never = (error: unknown): Failure => ({ error, elsewhere: false, retry: () => undefined });

const isWireAnswer = (value: unknown): value is WireAnswer =>
  typeof value === 'object' && value !== null && 'status' in value && 'body' in value;

function retryAfterMs(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]{1,6}$/.test(text) ? Number(text) * 1000 : undefined;
}

/** Nobody listened: the kernel, or the resolver of names, said so before a byte of the request was sent. */
function neverArrived(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth += 1) {
    if ('code' in cause && ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN'].includes(String(cause.code)))
      return true;
  }
  return false;
}

function target(call: VaultCall): string {
  const query = new URLSearchParams(call.query).toString();
  return `/v1/${encodedPath(plainPath(call.path))}${query === '' ? '' : `?${query}`}`;
}

const contentType = ({ method }: VaultCall): string =>
  method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';

const jsonBody = (body: object): Buffer => Buffer.from(JSON.stringify(body));

/** A header is a string in Node; what comes from a file may have a line end, which is no part of a token. */
function tokenText(token: SecretBytes): string {
  const text = token.exposeUtf8().trim();
  if (/^[\x21-\x7e]{1,8192}$/.test(text)) return text;
  throw new Fault('invalid', 'vault.token', 'expected a token of visible characters, got something else');
}
