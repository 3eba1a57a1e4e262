/**
 * What went wrong, in the few kinds a caller can act on. The kind decides the HTTP status, the exit code and
 * whether a retry makes sense (only `unavailable`); `integrity` is never retried, downgraded or swallowed.
 */
export const faultKinds = [
  'invalid',
  'unauthenticated',
  'denied',
  'not_found',
  'conflict',
  'precondition',
  'exhausted',
  'unavailable',
  'integrity',
  'internal',
] as const;

export type FaultKind = (typeof faultKinds)[number];

export type FaultDetails = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

export interface FaultOptions {
  /** What the reader can do about it: one sentence, no full stop. */
  readonly hint?: string;
  /** Facts for the reader and for machines. Never a secret. */
  readonly details?: FaultDetails;
  /** The error this one wraps; always given when there is one. */
  readonly cause?: unknown;
}

/**
 * The one error type of Sallyport. `code` is stable and reads `context.reason`; the message is lower case, has no
 * full stop and says what was expected and what came.
 */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly kind: FaultKind;
  readonly code: string;
  readonly hint: string | undefined;
  readonly details: FaultDetails;

  constructor(kind: FaultKind, code: string, message: string, options: FaultOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }
}

/** Whether `error` is a Fault, also one that came from another realm or a worker thread. */
export function isFault(error: unknown): error is Fault {
  return (
    error instanceof Fault ||
    (error instanceof Error && error.name === 'Fault' && 'kind' in error && 'code' in error)
  );
}

/** Marks a branch the type checker proved unreachable; reaching it means stored data broke its contract. */
export function assertNever(value: never, what: string): never {
  throw new Fault('internal', 'internal.unreachable', `unexpected ${what} ${JSON.stringify(value)}`);
}
