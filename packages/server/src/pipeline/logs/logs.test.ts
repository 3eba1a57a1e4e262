import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf, SecretBytes, utf8 } from '@sallyport/formats';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLogs, type LogKey } from './logs.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sallyport-logs-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const key: LogKey = { runId: 'run_00000000-0000-7000-8000-000000000001', attempt: 1, step: 'unit' };
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const stored = async (logs: ReturnType<typeof createLogs>, digest: string): Promise<string> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of logs.readStored(digest, 0)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
};

describe('logs', () => {
  it('go on where they were, whatever is repeated, and refuse a gap', async () => {
    const logs = createLogs(root);

    expect(await logs.append(key, 0, utf8('one '))).toBe(4);
    expect(await logs.append(key, 0, utf8('one '))).toBe(4);
    expect(await logs.append(key, 2, utf8('e two'))).toBe(7);
    await expect(logs.append(key, 9, utf8('x'))).rejects.toMatchObject({
      code: 'pipeline.log_gap',
      details: { offset: 7 },
    });
    await expect(logs.append(key, -1, utf8('x'))).rejects.toMatchObject({ code: 'pipeline.bad_offset' });
    expect(text(await logs.read(key, 4, 100))).toBe('two');
  });

  it('are kept by the digest of their bytes, as often as one asks', async () => {
    const logs = createLogs(root);
    await logs.append(key, 0, utf8('hello'));

    const first = await logs.finish(key);
    const second = await createLogs(root).finish(key);

    expect(first).toEqual({
      digest: digestOf(utf8('hello')),
      sizeBytes: 5,
      truncated: false,
      covered: false,
    });
    expect(second).toEqual(first);
    expect(await stored(logs, first.digest)).toBe('hello');
  });

  it('of a silent step are empty', async () => {
    expect(await createLogs(root).finish(key)).toMatchObject({ digest: digestOf(utf8('')), sizeBytes: 0 });
  });

  it('are bounded, and a loud step is not an error', async () => {
    const logs = createLogs(root, 10);

    expect(await logs.append(key, 0, utf8('0123456789abc'))).toBe(10);
    expect(await logs.append(key, 13, utf8('more'))).toBe(17);
    expect(await logs.finish(key)).toMatchObject({ sizeBytes: 10, truncated: true });
  });

  it('never show a granted value, however it is cut', async () => {
    const value = 'hunter2-hunter2';
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 12 }), async (cuts) => {
        const logs = createLogs(join(root, String(Math.random())));
        logs.protect(key, [SecretBytes.fromUtf8(value)]);
        const base64 = Buffer.from(value).toString('base64');
        const all = utf8(`plain ${value} and ${base64} end`);
        let offset = 0;
        for (const size of [...cuts, all.length]) {
          const seen = text(await logs.read(key, 0, 1000));
          expect(seen).not.toContain(value.slice(0, 12));
          offset = await logs.append(key, offset, all.subarray(offset, offset + size));
        }
        const { digest, covered } = await logs.finish(key);
        const kept = await stored(logs, digest);
        expect(covered).toBe(true);
        expect(kept).toBe(`plain ${'*'.repeat(value.length)} and ${'*'.repeat(base64.length)} end`);
      }),
      { numRuns: 40 },
    );
  });

  it('have names that cannot leave their folder', async () => {
    const logs = createLogs(root);

    await expect(logs.append({ ...key, step: '../x' }, 0, utf8('x'))).rejects.toThrow();
    await expect(logs.append({ ...key, runId: '../../x' }, 0, utf8('x'))).rejects.toThrow();
    expect(() => logs.readStored('sha256:../../etc/passwd', 0)).toThrow();
  });
});
