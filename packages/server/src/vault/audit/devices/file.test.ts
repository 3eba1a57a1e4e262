import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FileOptions, openFileDevice } from './file.ts';
import { line, makePipe, numbersIn, scratchDirectory } from './receiver.fixture.ts';

let directory = '';
let remove = async () => undefined as unknown;
beforeEach(async () => {
  const scratch = await scratchDirectory();
  directory = scratch.path;
  remove = scratch.remove;
});
afterEach(() => remove());

const open = (name: string, options: Partial<FileOptions> = {}) =>
  openFileDevice({
    path: join(directory, name),
    within: [directory],
    mode: 0o600,
    sync: false,
    timeoutMs: 200,
    ...options,
  });
const content = (name: string) => readFileSync(join(directory, name), 'latin1');

describe('a file device', () => {
  it('appends to what is there, with the mode it was given', async () => {
    writeFileSync(join(directory, 'log'), line(1), { mode: 0o644 });
    const device = await open('log', { sync: true });

    await device.write([line(2), line(3)]);
    writeFileSync(join(directory, 'log'), line(4), { flag: 'a' });
    await device.write([line(5)]);
    await device.close();

    expect(numbersIn(content('log'))).toEqual([1, 2, 3, 4, 5]);
    expect(statSync(join(directory, 'log')).mode & 0o777).toBe(0o600);
    await (await open('other', { mode: 0 })).close();
    expect(statSync(join(directory, 'other')).mode & 0o777).toBe(0o600);
    chmodSync(join(directory, 'other'), 0o640);
    await (await open('other', { mode: 0 })).close();
    expect(statSync(join(directory, 'other')).mode & 0o777).toBe(0o640);
  });

  it('goes on in a new file after a rotation, and loses no line between', async () => {
    const device = await open('log');

    await device.write([line(1)]);
    renameSync(join(directory, 'log'), join(directory, 'log.1'));
    await device.write([line(2)]);
    await device.reopen();
    await device.write([line(3)]);
    await device.close();

    expect(numbersIn(content('log.1'))).toEqual([1, 2]);
    expect(numbersIn(content('log'))).toEqual([3]);
  });

  it('keeps the old file when the new one cannot be opened', async () => {
    const device = await open('log');
    renameSync(join(directory, 'log'), join(directory, 'log.1'));
    mkdirSync(join(directory, 'log'));

    await expect(device.reopen()).rejects.toThrow('got a directory');
    await device.write([line(1)]);
    await device.close();

    expect(numbersIn(content('log.1'))).toEqual([1]);
  });

  it('refuses paths outside the allowed directories, whatever leads there', async () => {
    const outside = await scratchDirectory();
    writeFileSync(join(outside.path, 'target'), 'precious', { mode: 0o600 });
    symlinkSync(outside.path, join(directory, 'way-out'));
    symlinkSync(join(outside.path, 'target'), join(directory, 'link'));
    linkSync(join(outside.path, 'target'), join(directory, 'second-name'));
    mkdirSync(join(directory, 'folder'));
    mkdirSync(`${directory}-beside`);
    const refusals: ReadonlyArray<readonly [string, string]> = [
      [join(outside.path, 'target'), 'below a directory that the configuration allows'],
      [`${directory}-beside/log`, 'below a directory that the configuration allows'],
      [join(directory, 'way-out', 'log'), 'below a directory that the configuration allows'],
      [`${directory}/../log`, 'expected an absolute path'],
      [`${directory}//log`, 'expected an absolute path'],
      [`${directory}/`, 'expected an absolute path'],
      [`${directory}/a\0b`, 'expected an absolute path'],
      ['log', 'expected an absolute path'],
      [`/${'x'.repeat(5000)}`, 'expected an absolute path'],
      [join(directory, 'link'), 'symbolic link'],
      [join(directory, 'second-name'), 'one with 2'],
      [join(directory, 'folder'), 'a directory'],
      [join(directory, 'missing', 'log'), 'cannot find the directory'],
    ];

    for (const [path, message] of refusals) {
      await expect(open('', { path }), path.slice(0, 60)).rejects.toThrow(message);
    }
    await expect(open('log', { within: [] })).rejects.toThrow('below a directory');
    await expect(open('', { path: '/dev/null', within: 'anywhere' })).rejects.toThrow('something else');
    expect(readFileSync(join(outside.path, 'target'), 'utf8')).toBe('precious');
    await outside.remove();
    execFileSync('rmdir', [`${directory}-beside`]);
  });

  it('fails in time on a pipe that nobody reads, and begins a new line after the one that was cut', async () => {
    const pipe = join(directory, 'pipe');
    makePipe(pipe);
    await expect(open('pipe')).rejects.toThrow('expected a reader of the pipe');
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const device = await open('pipe');

    const started = performance.now();
    await expect(device.write([line(1, 300_000)])).rejects.toThrow('expected the pipe');
    expect(performance.now() - started).toBeLessThan(2000);
    drain(reader);
    await device.write([line(2)]);

    expect(drain(reader)).toBe(`\n${line(2)}`);
    closeSync(reader);
    await expect(device.write([line(3)])).rejects.toThrow('cannot write the audit log');
    await device.close();
  });

  it('says that the disk is full, and goes on with whole lines when there is room', async (context) => {
    const disk = join(directory, 'disk');
    mkdirSync(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      return context.skip('mounting a small disk needs root');
    }
    try {
      const device = await open('disk/log');
      await device.write([line(1)]);

      await expect(device.write([line(2, 100_000)])).rejects.toMatchObject({
        kind: 'unavailable',
        code: 'vault.audit_disk_full',
      });
      truncateSync(join(disk, 'log'), line(1).length + 10);
      await device.write([line(3)]);
      await device.close();

      const [first, torn, last] = readFileSync(join(disk, 'log'), 'latin1').split('\n');
      expect([`${first}\n`, torn, `${last}\n`]).toEqual([`${line(1)}`, '{"type":"r', `${line(3)}`]);
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

function drain(fd: number): string {
  let text = '';
  const chunk = Buffer.alloc(1 << 20);
  for (;;) {
    try {
      const size = readSync(fd, chunk);
      if (size === 0) return text;
      text += chunk.toString('latin1', 0, size);
    } catch {
      return text;
    }
  }
}
