import { createHash } from 'node:crypto';
import { type Digest, digestFromHash } from '@sallyport/formats';
import { createMask } from './masking/mask.ts';

/** One step's output on its way out: masked first, then bounded, then counted and hashed exactly as it is sent. */
export interface StepLog {
  write(chunk: Uint8Array): Promise<void>;
  /** A line of ours among the step's; masked as well, because it may quote what a step asked for. */
  note(line: string): Promise<void>;
  end(): Promise<{ readonly digest: Digest; readonly bytes: number; readonly truncated: boolean }>;
}

export const defaultLogBytes = 16 * 1024 * 1024;

export function createStepLog(options: {
  readonly secrets: readonly Uint8Array[];
  readonly send: (bytes: Uint8Array) => Promise<void>;
  readonly maxBytes: number;
}): StepLog {
  const mask = createMask(options.secrets);
  const hash = createHash('sha256');
  const notice = Buffer.from(
    `\n[sallyport] the log is cut here: it has more than ${options.maxBytes} bytes\n`,
  );
  let bytes = 0;
  let truncated = false;

  const send = async (chunk: Uint8Array) => {
    hash.update(chunk);
    bytes += chunk.length;
    await options.send(chunk);
  };
  const pass = async (masked: Uint8Array) => {
    if (masked.length === 0 || truncated) return;
    const room = options.maxBytes - bytes;
    if (masked.length <= room) return send(masked);
    truncated = true;
    // Cut after masking: a secret that lies across the cut is already gone.
    if (room > 0) await send(masked.subarray(0, room));
    await send(notice);
  };

  return {
    write: (chunk) => pass(mask.push(chunk)),
    note: (line) => pass(mask.push(Buffer.from(`[sallyport] ${line}\n`))),
    async end() {
      await pass(mask.end());
      return { digest: digestFromHash(Uint8Array.from(hash.digest())), bytes, truncated };
    },
  };
}
