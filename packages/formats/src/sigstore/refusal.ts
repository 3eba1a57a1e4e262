import { Fault, isFault } from '../fault.ts';

/** The checks of a Sigstore bundle, in the order of a refusal's code: `formats.sigstore_<check>`. */
export type Check =
  | 'bundle'
  | 'signer'
  | 'timestamp'
  | 'log_entry'
  | 'certificate'
  | 'sct'
  | 'identity'
  | 'signature'
  | 'artifact'
  | 'threshold';

/** A bundle that is not to be believed, and by which check; what lies behind it is `details.reason` and the cause. */
export function refusal(check: Check, expected: string, got: string, cause?: unknown): Fault {
  const reason = cause instanceof Error ? { reason: cause.message } : {};
  return new Fault('integrity', `formats.sigstore_${check}`, `expected ${expected}, got ${got}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { check, ...reason },
  });
}

/** Runs one check: whatever it throws becomes its refusal, so that input that cannot be read refuses like a forgery. */
export function checking<T>(check: Check, expected: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (isFault(cause) && cause.code.startsWith('formats.sigstore_')) throw cause;
    throw refusal(check, expected, 'one that does not verify', cause);
  }
}
