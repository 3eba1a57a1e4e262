import { readdirSync, readFileSync, readlinkSync, renameSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openFileDevice } from './file.ts';
import { createLateDevice } from './late.ts';
import { line, scratchDirectory } from './receiver.fixture.ts';

let scratch: Awaited<ReturnType<typeof scratchDirectory>>;
beforeAll(async () => {
  scratch = await scratchDirectory();
});
afterAll(() => scratch.remove());

const opening = (path: string) => () =>
  openFileDevice({ path, within: 'anywhere', mode: 0o600, sync: false, timeoutMs: 1000 });

/** How many descriptors of this process lead to files of the test. */
function openFiles(): number {
  const isOurs = (descriptor: string): boolean => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(scratch.path);
    } catch {
      // That of the listing itself.
      return false;
    }
  };
  return readdirSync('/proc/self/fd').filter(isOurs).length;
}

describe('a device that is opened when it is needed', () => {
  it('is tried again after an opening that failed', async () => {
    const path = join(scratch.path, 'later', 'audit.log');
    const device = createLateDevice(opening(path));
    await expect(device.write([line(1)])).rejects.toMatchObject({ kind: 'unavailable' });
    await mkdir(join(scratch.path, 'later'));
    await device.write([line(2)]);
    expect(readFileSync(path, 'utf8')).toBe(String(line(2)));
    await device.close();
  });

  it.skipIf(process.platform !== 'linux')('leaves nothing open, whatever meets its end', async () => {
    for (const meet of ['write', 'reopen', 'both'] as const) {
      const path = join(scratch.path, `${meet}.log`);
      const device = createLateDevice(opening(path));
      if (meet === 'both') {
        await device.write([line(1)]);
        renameSync(path, `${path}.1`);
      }
      const work = meet === 'write' ? device.write([line(1)]) : device.reopen();
      const closed = device.close();
      await Promise.allSettled([work, closed]);
      await expect(device.write([line(2)])).rejects.toThrow();
      await expect(device.reopen()).rejects.toThrow();
    }
    expect(openFiles()).toBe(0);
  });
});
