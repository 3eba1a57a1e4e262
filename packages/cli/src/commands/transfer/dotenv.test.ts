import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDotenv } from './dotenv.ts';

const read = (text: string): Record<string, string> =>
  Object.fromEntries([...parseDotenv(Buffer.from(text))].map(([name, value]) => [name, value.exposeUtf8()]));

describe('a dotenv file', () => {
  it.each([
    ['A=b', { A: 'b' }],
    ['A=b\r\nC=d\r\n', { A: 'b', C: 'd' }],
    ['export A=b', { A: 'b' }],
    ['export=b', { export: 'b' }],
    ['A=', { A: '' }],
    ['A= b c \t# remark', { A: 'b c' }],
    ['A=b#c', { A: 'b#c' }],
    ['A=#c', { A: '' }],
    ['A=a=b==', { A: 'a=b==' }],
    ['A=$B$(C)', { A: '$B$(C)' }],
    ['A=\\n', { A: '\\n' }],
    ['\ufeffA=b', { A: 'b' }],
    ['# remark\n\n  A = b  \n', { A: 'b' }],
    [`A='b "c" \\n # $D'`, { A: 'b "c" \\n # $D' }],
    ['A="b\\n\\"c\\" \\$D \\\\ \\t" # remark', { A: 'b\n"c" $D \\ \t' }],
    ['A="line\nline"\nB=c', { A: 'line\nline', B: 'c' }],
    [`KEY='-----BEGIN\nabc\n-----END'`, { KEY: '-----BEGIN\nabc\n-----END' }],
    ['Ä=b'.replace('Ä', 'A'), { A: 'b' }],
    ['A=é😀', { A: 'é😀' }],
    ['__proto__=x', JSON.parse('{"__proto__":"x"}')],
  ])('%j is read', (text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  it.each([
    ['no equals sign', 'A'],
    ['a name with a space', 'A B=c'],
    ['a name that begins with a digit', '1A=b'],
    ['no name', '=b'],
    ['a name twice', 'A=b\nA=c'],
    ['an open quote', 'A="b'],
    ['an open single quote', "A='b"],
    ['an escape at the end', 'A="b\\'],
    ['an unknown escape', 'A="\\x41"'],
    ['text behind a quote', 'A="b"c'],
    ['quotes in the middle', 'A=b"c"'],
    ['a backtick', 'A=`date`'],
    ['a NUL', 'A=b\u0000'],
    ['a name of 300 letters', `${'A'.repeat(300)}=b`],
    ['too many variables', Array.from({ length: 5001 }, (_, index) => `A${index}=b`).join('\n')],
    ['too many bytes', `A=${'b'.repeat(1024 * 1024)}`],
  ])('with %s is refused', (_what, text) => {
    expect(() => parseDotenv(Buffer.from(text))).toThrowError(
      expect.objectContaining({ code: 'cli.import' }),
    );
  });

  it('that is no UTF-8 is refused', () => {
    expect(() => parseDotenv(Buffer.from('A=\xff', 'latin1'))).toThrow();
  });

  it('never says a value in a refusal', () => {
    expect(() => parseDotenv(Buffer.from('A=hunter2"'))).toThrowError(expect.not.stringContaining('hunter2'));
  });

  it('gives back what was quoted', () => {
    const value = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\u0000'));
    const quote = (text: string): string => `"${text.replace(/[\\"$]/g, '\\$&')}"`;
    fc.assert(
      fc.property(fc.array(value, { maxLength: 5 }), (values) => {
        const file = values.map((text, index) => `V${index}=${quote(text)} # remark`).join('\n');

        expect(read(file)).toEqual(Object.fromEntries(values.map((text, index) => [`V${index}`, text])));
      }),
    );
  });

  it('is read or refused, whatever it is', () => {
    const noise = fc.string({
      unit: fc.constantFrom('A', '=', '"', "'", '\\', '\n', '#', ' ', '$', '`', 'é', 'export '),
    });
    fc.assert(
      fc.property(noise, (text) => {
        try {
          read(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'cli.import' });
        }
      }),
      { numRuns: 2000 },
    );
  });
});
