import { type Device, deviceFailed } from './device.ts';

/**
 * A device that is opened when it is first needed, and again after an opening that failed: what cannot be written to at
 * the start, such as a pipe without a reader, may be there a moment later.
 */
export function createLateDevice(open: () => Promise<Device>): Device {
  let current: Device | undefined;
  /** What is being opened, alone or in place of what is open: closing waits for it, or it would stay open for ever. */
  let opening: Promise<unknown> = Promise.resolve();
  let closed = false;

  function exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = opening.then(work);
    opening = result.catch(() => undefined);
    return result;
  }

  async function opened(): Promise<Device> {
    if (closed) throw deviceFailed('closed', 'the audit device is closed');
    current ??= await open();
    return current;
  }

  return {
    write: async (lines) => await (current ?? (await exclusive(opened))).write(lines),
    reopen: () =>
      exclusive(async () => {
        if (current === undefined || closed) await opened();
        else await current.reopen();
      }),
    async close() {
      closed = true;
      await exclusive(async () => await current?.close());
    },
  };
}
