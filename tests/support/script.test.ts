import { describe, expect, it } from 'vitest';
import { complaints, parseScript, saved } from './script.ts';

function check(
  script: string,
  answer: Partial<{ code: number; stdout: string; stderr: string }>,
): readonly string[] {
  const [act] = parseScript(script);
  if (act?.kind !== 'command') throw new Error('expected a command');
  return complaints(act.expect, { code: 0, stdout: '', stderr: '', ...answer }, { DIGEST: 'sha256:1' });
}

describe('a script', () => {
  it('is read into commands, files and commits', () => {
    const acts = parseScript(
      '# x\nfile: a.txt\n  one\n  two\n$ sally a\nstdin: x\nexit: 2\n\ncommit: Change\n',
    );

    expect(acts).toMatchObject([
      { kind: 'file', name: 'a.txt', content: 'one\ntwo\n' },
      { kind: 'command', text: 'sally a', expect: { stdin: 'x\n', exit: 2 } },
      { kind: 'commit', message: 'Change', signed: true },
    ]);
  });

  it.each(['oout: x', '$ a\nouts: x', 'out: x', 'nonsense'])('with the line %j is refused', (text) => {
    expect(() => parseScript(text)).toThrow(/line \d/);
  });
});

describe('an answer', () => {
  it('that is as expected has no complaints', () => {
    const script = '$ a\nout: one …\nout: $DIGEST two\nerr: sally: error: …\nexit: 3';

    expect(
      check(script, { code: 3, stdout: 'zero\none  1\nsha256:1   two\n', stderr: 'sally: error: x\n' }),
    ).toEqual([]);
  });

  it.each([
    ['$ a', { code: 1 }],
    ['$ a\nout: one', { stdout: 'one more\n' }],
    ['$ a\nout: one\nout: two', { stdout: 'two\none\n' }],
    ['$ a\nout: a.c', { stdout: 'abc\n' }],
    ['$ a\nerr: x', {}],
    ['$ a\nnot: x…', { stdout: 'xyz\n' }],
    ['$ a', { stderr: 'TypeError: x\n' }],
    ['$ a\njson:', { stdout: '{}\n{}\n' }],
    ['$ a\njson: a.0 = 1', { stdout: '{"a":[2]}' }],
    ['$ a\nlines:', { stdout: '{}\nx\n' }],
  ])('to %j that differs is complained about', (script, answer) => {
    expect(check(script, answer)).toHaveLength(1);
  });

  it('gives the values that are to be kept, and none that is not there', () => {
    const [act] = parseScript('$ a\nsave: IT = run.image');
    if (act?.kind !== 'command') throw new Error('expected a command');

    expect(saved(act.expect, '{"run":{"image":"x"}}')).toEqual({ IT: 'x' });
    expect(() => saved(act.expect, '{"run":{}}')).toThrow('nothing at run.image');
  });
});
