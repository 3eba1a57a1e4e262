import { Fault } from '@sallyport/formats';

/**
 * Where audit lines go besides the ledger. One call at a time: the supervisor in front of each device sees to it.
 * A device that fails may have written a part, so a line can appear twice; it never appears in parts of other lines.
 */
export interface Device {
  /**
   * Resolves when the device has the lines (each with its newline): the kernel, or a receiver that said so. Rejects
   * with `unavailable` when the same lines may be tried again, with `invalid` when the device will never take them.
   */
  write(lines: readonly Buffer[]): Promise<void>;
  /** After a log rotation, or a changed address: lets go of what was open and opens it anew. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

export function deviceFailed(reason: string, message: string, cause?: unknown, hint?: string): Fault {
  return new Fault('unavailable', `vault.audit_${reason}`, message, {
    ...(cause === undefined ? {} : { cause }),
    ...(hint === undefined ? {} : { hint }),
  });
}

export function deviceRefused(reason: string, message: string, hint?: string): Fault {
  return new Fault('invalid', `vault.audit_${reason}`, message, hint === undefined ? {} : { hint });
}

/** The code of a failed system call, or `''`. */
export function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** `work`, or a rejection after `milliseconds`; then `expire` must make `work` end, whose outcome nobody hears. */
export async function withDeadline<T>(
  work: Promise<T>,
  milliseconds: number,
  expire: () => void,
  what: string,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(deviceFailed('timeout', `expected ${what} within ${milliseconds} ms, got no end of it`));
      expire();
    }, milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
