import { setTimeout as sleep } from 'node:timers/promises';
import { Fault, parseStrictJson } from '@sallyport/formats';

export interface SealRequest {
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface SealCall {
  /** Who is asked, for messages: "AWS KMS". */
  readonly service: string;
  /** Called for each attempt, so that signatures and tokens are of that moment. */
  build(): Promise<SealRequest> | SealRequest;
  /** Refusals that mean "this does not open": they are `keyring.decrypt_failed`. */
  doesNotOpen?(status: number, code: string): boolean;
  /** Refusals that are worth another attempt besides 429 and 5xx. */
  again?(code: string): boolean;
}

export interface SealHttp {
  /** The text of a 2xx answer. Throws `keyring.seal_unavailable` or `keyring.decrypt_failed`. */
  text(call: SealCall): Promise<string>;
  /** The same as a JSON object. */
  json(call: SealCall): Promise<JsonObject>;
}

export type JsonObject = Readonly<Record<string, unknown>>;

const attempts = 3;
const attemptMs = 10_000;
const firstPauseMs = 200;
const maxAnswerBytes = 64 * 1024;

/**
 * Asks a service that holds a key. At most three attempts of ten seconds each. Never follows a redirect: it would carry
 * credentials or a root key to another place. What a service answers with is not repeated in errors, but its code is.
 */
export function createSealHttp(fetchNow: typeof fetch, pauseMs: number = firstPauseMs): SealHttp {
  async function once(call: SealCall): Promise<{ readonly status: number; readonly text: string }> {
    const { url, ...init } = await call.build();
    requireSafe(url);
    const signal = AbortSignal.timeout(attemptMs);
    const response = await fetchNow(url, { ...init, redirect: 'error', signal });
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > maxAnswerBytes) throw new TypeError('the answer is too large');
      chunks.push(chunk);
    }
    // The response is held until its body ended: Node ends the body of a collected one.
    return { status: response.status, text: Buffer.concat(chunks).toString('utf8') };
  }

  async function text(call: SealCall): Promise<string> {
    for (let attempt = 1; ; attempt += 1) {
      const last = attempt === attempts;
      try {
        const answer = await once(call);
        if (answer.status >= 200 && answer.status < 300) return answer.text;
        const code = codeOf(answer.text);
        if (call.doesNotOpen?.(answer.status, code) === true) throw doesNotOpen(call.service);
        const again = answer.status === 429 || answer.status >= 500 || call.again?.(code) === true;
        if (last || !again) throw refused(call.service, answer.status, code);
      } catch (cause) {
        if (cause instanceof Fault) throw cause;
        if (last) throw unreachable(call.service, cause);
      }
      await sleep(pauseMs * 4 ** (attempt - 1));
    }
  }

  return {
    text,
    async json(call) {
      return objectOf(await text(call)) ?? failUnreadable(call.service);
    },
  };
}

/** A text of the answer, at most 64 KiB, or a fault that names the field. */
export function textField(answer: JsonObject, name: string, service: string): string {
  const value = Object.hasOwn(answer, name) ? answer[name] : undefined;
  if (typeof value !== 'string' || value === '') failUnreadable(service, name);
  return value;
}

export function objectField(answer: JsonObject, name: string, service: string): JsonObject {
  const value = Object.hasOwn(answer, name) ? answer[name] : undefined;
  if (!isObject(value)) failUnreadable(service, name);
  return value;
}

/** Base64 as services write it, padded or not, in the standard or the URL alphabet. The caller wipes it. */
export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64url'));
}

export function objectOf(text: string): JsonObject | undefined {
  try {
    const value = parseStrictJson(text, { maxBytes: maxAnswerBytes, maxDepth: 12 });
    return isObject(value) ? value : undefined;
  } catch {
    // An answer that is no JSON is one that says nothing; the callers say so.
    return undefined;
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The short code that a service gives its error: letters, digits and punctuation of names only, so no content. */
function codeOf(text: string): string {
  const answer = objectOf(text);
  const error = isObject(answer?.['error']) ? answer['error'] : undefined;
  const candidates = [answer?.['__type'], error?.['status'], error?.['code'], answer?.['error']];
  const code = candidates.find((each) => typeof each === 'string');
  const short = typeof code === 'string' ? (code.split('#').at(-1) ?? '') : '';
  return /^[A-Za-z0-9_.-]{1,80}$/.test(short) ? short : '';
}

/** Keys and credentials go over TLS, or stay on this machine or at the metadata addresses of its cloud. */
function requireSafe(url: string): void {
  const { protocol, hostname } = new URL(url);
  const local = /^(127(\.\d{1,3}){3}|\[::1\]|localhost|169\.254(\.\d{1,3}){2}|metadata\.google\.internal)$/;
  if (protocol === 'https:' || (protocol === 'http:' && local.test(hostname))) return;
  throw new Fault(
    'invalid',
    'keyring.seal_address',
    `expected an https address of a seal, got "${protocol}"`,
  );
}

function doesNotOpen(service: string): Fault {
  return new Fault(
    'integrity',
    'keyring.decrypt_failed',
    `expected a root key that ${service} sealed with the configured key, got one that it does not open`,
  );
}

function refused(service: string, status: number, code: string): Fault {
  const named = code === '' ? '' : ` (${code})`;
  return new Fault(
    'unavailable',
    'keyring.seal_unavailable',
    `expected ${service} to answer, got status ${status}${named}`,
    { hint: 'check the key, the credentials and what they are allowed to do' },
  );
}

function unreachable(service: string, cause: unknown): Fault {
  return new Fault('unavailable', 'keyring.seal_unavailable', `expected ${service} to answer, got none`, {
    cause,
    hint: 'check the address and the network',
  });
}

function failUnreadable(service: string, field?: string): never {
  const place = field === undefined ? '' : ` with "${field}"`;
  throw new Fault(
    'unavailable',
    'keyring.seal_unavailable',
    `expected ${service} to answer with a JSON object${place}, got something else`,
  );
}
