import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SecretBytes } from '@sallyport/formats';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compactJson } from './compact-json.ts';
import { readValues, wipeValues } from './values.ts';

let directory: string;
let file: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sally-values-'));
  file = join(directory, 'value');
  writeFileSync(file, 'one line\n');
  writeFileSync(join(directory, 'two'), 'two\nlines\n');
  writeFileSync(join(directory, 'a.json'), '{"a": 1.50}');
  writeFileSync(join(directory, 'list.json'), '[1]');
  writeFileSync(join(directory, 'twice.json'), '{"a":1,"a":2}');
});
afterAll(() => rmSync(directory, { recursive: true }));

const textOf = (value: unknown): string => (value instanceof SecretBytes ? value.exposeUtf8() : '');

describe('values of a secret', () => {
  it('come from files, without the line end of a single line', async () => {
    const values = await readValues([`a=@${file}`, `b.c=@${join(directory, 'two')}`]);

    expect(Object.entries(values).map(([key, value]) => [key, textOf(value)])).toEqual([
      ['a', 'one line'],
      ['b.c', 'two\nlines\n'],
    ]);
    wipeValues(values);
    expect(() => textOf(Object.values(values)[0])).toThrow();
  });

  it('are one JSON object, digit by digit', async () => {
    const { json } = await readValues([`@${join(directory, 'a.json')}`]);

    expect(json instanceof Uint8Array && Buffer.from(json).toString()).toBe('{"a": 1.50}');
  });

  it.each([
    ['password=hunter2'],
    ['a=b@c'],
    ['a='],
    ['a=@'],
    ['@f.json', 'a=@b'],
    ['=@f'],
    ['a=-', 'b=-'],
    ['a', 'b'],
  ])('%j are refused before anything is read', async (...words) => {
    await expect(readValues(words)).rejects.toMatchObject({ code: 'cli.usage' });
  });

  it('on the command line are not repeated in the refusal', async () => {
    await expect(readValues(['password=hunter2'])).rejects.not.toMatchObject({
      message: expect.stringContaining('hunter2'),
    });
  });

  it.each(['list.json', 'twice.json', 'missing.json'])('from %s are refused', async (name) => {
    await expect(readValues([`@${join(directory, name)}`])).rejects.toThrow();
  });

  it('with a key twice are refused', async () => {
    await expect(readValues([`a=@${file}`, `a=@${file}`])).rejects.toMatchObject({ code: 'cli.usage' });
  });
});

describe('compact JSON', () => {
  it('says the same on one line', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(' ', '\t', 2), (value, space) => {
        const line = Buffer.from(compactJson(Buffer.from(JSON.stringify(value, null, space)))).toString();

        expect(line).toBe(JSON.stringify(value));
      }),
    );
  });
});
