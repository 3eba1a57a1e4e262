import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeNewPrivately } from './private-file.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sally-private-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('a private file', () => {
  it('can be read by its owner only', () => {
    const file = writeNewPrivately(join(directory, 'token'));
    file.finish('sp_1\n');

    expect(statSync(file.path).mode & 0o777).toBe(0o600);
    expect(readFileSync(file.path, 'utf8')).toBe('sp_1\n');
  });

  it('replaces nothing, and follows no link', () => {
    writeFileSync(join(directory, 'token'), 'old');
    symlinkSync(join(directory, 'elsewhere'), join(directory, 'link'));

    expect(() => writeNewPrivately(join(directory, 'token'))).toThrow('exists already');
    expect(() => writeNewPrivately(join(directory, 'link'))).toThrow();
    expect(readFileSync(join(directory, 'token'), 'utf8')).toBe('old');
    expect(existsSync(join(directory, 'elsewhere'))).toBe(false);
  });

  it('is gone when its content never came', () => {
    const file = writeNewPrivately(join(directory, 'token'));
    file.remove();

    expect(existsSync(file.path)).toBe(false);
  });

  it('needs a place', () => {
    expect(() => writeNewPrivately(join(directory, 'no', 'token'))).toThrow('could not');
  });
});
