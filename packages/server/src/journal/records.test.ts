import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRecords, type Records } from './records.ts';

const record = { sealed: 's', value: undefined };

function filled(...paths: readonly string[]): Records {
  const records = createRecords();
  for (const path of paths) records.set(path, record);
  return records;
}

/** What the tree promises, said in one line for each part. */
function childrenOf(paths: ReadonlySet<string>, directory: string): readonly string[] {
  const names = new Set<string>();
  for (const path of paths) {
    if (!path.startsWith(directory) || path.length === directory.length) continue;
    const rest = path.slice(directory.length);
    const slash = rest.indexOf('/');
    names.add(slash < 0 ? rest : rest.slice(0, slash + 1));
  }
  return [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

describe('the tree of names', () => {
  it('tells a record, a directory and a record below apart', () => {
    const records = filled('a', 'a/', 'a/b', 'a/b/c');

    expect(records.children('')).toEqual(['a', 'a/']);
    expect(records.children('a/')).toEqual(['b', 'b/']);
    expect(records.children('a/b/')).toEqual(['c']);
    expect(records.children('a')).toEqual([]);
    expect(records.children('b/')).toEqual([]);
  });

  it('keeps the name of a directory when the record of the same name goes, and the other way round', () => {
    const records = filled('a/', 'a/b');

    records.delete('a/');
    expect(records.children('')).toEqual(['a/']);
    records.set('a/', record);
    records.delete('a/b');
    expect(records.children('')).toEqual(['a/']);
    records.delete('a/');
    expect(records.children('')).toEqual([]);
  });

  it('bears paths of nothing but slashes', () => {
    const records = filled('/', '//', '//a');

    expect(records.children('')).toEqual(['/']);
    expect(records.children('/')).toEqual(['/']);
    expect(records.children('//')).toEqual(['a']);
    for (const path of ['/', '//', '//a']) records.delete(path);
    expect([records.size, records.children('')]).toEqual([0, []]);
  });

  it('sorts by bytes of UTF-8, also beyond the basic plane', () => {
    expect(filled('\u{10000}', '\uffee', 'é', 'z', 'Z').children('')).toEqual([
      'Z',
      'z',
      'é',
      '\uffee',
      '\u{10000}',
    ]);
  });

  it('is what the paths say after any sequence of changes', () => {
    const path = fc
      .array(fc.constantFrom('a', 'b', '/', 'ä', '\u{1f600}'), { minLength: 1, maxLength: 5 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), path), { maxLength: 40 }), (steps) => {
        const records = createRecords();
        const paths = new Set<string>();
        for (const [add, each] of steps) {
          if (add) records.set(each, record);
          else records.delete(each);
          if (add) paths.add(each);
          else paths.delete(each);
          const directories = new Set(['', ...steps.flatMap(([, known]) => prefixes(known))]);
          for (const directory of directories) {
            expect(records.children(directory)).toEqual(childrenOf(paths, directory));
          }
        }
        expect(records.size).toBe(paths.size);
      }),
      { numRuns: 200 },
    );
  });
});

function prefixes(path: string): readonly string[] {
  return [...path.matchAll(/\//g)].map((match) => path.slice(0, match.index + 1));
}
