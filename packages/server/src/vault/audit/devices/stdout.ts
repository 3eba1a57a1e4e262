import type { Writable } from 'node:stream';
import { type Device, deviceFailed, withDeadline } from './device.ts';

/**
 * Lines on the standard output of the server (`process.stdout`, which the log may share). A pipe, socket or journal
 * that nobody reads makes `write` fail in time; what was handed to the stream by then is written when it is read
 * again, and no more is handed to it before. Node writes to a terminal and to a file at once, holding the process:
 * who redirects into a file had better declare that file.
 */
export function createStdoutDevice(stream: Writable, timeoutMs: number): Device {
  let pending: Promise<void> | undefined;

  // Without a listener a reader that went away would end the process.
  const ignore = (): void => undefined;
  stream.on('error', ignore);

  function hand(bytes: Buffer): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      stream.write(bytes, (error) => {
        pending = undefined;
        if (error === null || error === undefined) resolve();
        else reject(deviceFailed('write', 'cannot write audit lines to the standard output', error));
      });
    });
    pending = written.catch(ignore);
    return written;
  }

  return {
    async write(lines) {
      const what = 'the standard output to be read';
      if (pending !== undefined) await withDeadline(pending, timeoutMs, ignore, what);
      await withDeadline(hand(Buffer.concat(lines)), timeoutMs, ignore, what);
    },
    reopen: async () => undefined,
    close: async () => {
      stream.off('error', ignore);
    },
  };
}
