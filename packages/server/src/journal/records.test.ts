import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKeptValues } from './kept-values.ts';
import { recordAt, recordIn } from './record-at.ts';
import { createRecords, type HeldRecord, type Records } from './records.ts';
import { createSlabs } from './slabs.ts';

const record = { sealed: Buffer.from('s'), value: undefined };
const newRecords = (): Records => createRecords(createSlabs(), createKeptValues(1000));

function filled(...paths: readonly string[]): Records {
  const records = newRecords();
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
        const records = newRecords();
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

describe('records', () => {
  const step = fc.record({
    kind: fc.constantFrom('set', 'keep', 'delete'),
    scope: fc.constantFrom(0, 1),
    path: fc.constantFrom('a', 'a/', 'a/b', 'a/a name that is longer', 'b/c/d', '/'),
    bytes: fc.uint8Array({ maxLength: 20 }),
    cut: fc.boolean(),
  });

  it('are those of a plain map after any sequence of changes, also where two scopes share their memory', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const [slabs, values] = [createSlabs(), createKeptValues(1_000_000)];
        const scopes = [createRecords(slabs, values), createRecords(slabs, values)] as const;
        const models = [new Map<string, object>(), new Map<string, object>()] as const;
        for (const [value, { kind, scope, path, bytes, cut }] of steps.entries()) {
          const [records, model] = [scopes[scope], models[scope]];
          const before = model.get(path);
          if (kind === 'set') {
            expect(shown(records.set(asked(path, cut), { sealed: bytes, value }))).toEqual(before);
            model.set(path, { hex: Buffer.from(bytes).toString('hex'), value });
          } else if (kind === 'delete') {
            expect(shown(records.delete(asked(path, cut)))).toEqual(before);
            model.delete(path);
          } else {
            records.keep(asked(path, cut), value);
            if (before !== undefined) model.set(path, { ...before, value });
          }
        }
        for (const [index, records] of scopes.entries()) {
          const model = models[index] ?? new Map();
          for (const path of ['', 'a', 'a/', 'a/b', 'a/a name that is longer', 'b/c/d', 'b/', 'b/c/', '/']) {
            for (const each of [path, recordAt(path)]) {
              expect(shown(records.get(each))).toEqual(model.get(path));
              expect(records.has(each)).toBe(model.has(path));
              expect(records.valueOf(each)).toBe(model.get(path)?.value);
            }
          }
          const entries = [...records.entries()].map(([path, sealed]) => [path, shown({ sealed })?.hex]);
          expect(entries.sort()).toEqual([...model].map(([path, { hex }]) => [path, hex]).sort());
          expect(records.size).toBe(model.size);
        }
      }),
    );
  });

  it('can be walked while they change', () => {
    const records = filled('a', 'a/b', 'a/c', 'd/e');
    const seen: string[] = [];

    for (const [path] of records.entries()) {
      seen.push(path);
      records.set(path, { sealed: Buffer.from('again'), value: undefined });
      if (path === 'a') records.delete('a/b');
    }

    expect(seen.sort()).toEqual(['a', 'a/c', 'd/e']);
  });
});

describe('a path that is cut already', () => {
  it('is the same however it was put together', () => {
    for (const [directory, name] of [
      ['', 'a'],
      ['a/', 'b'],
      ['a/', 'b/'],
      ['a/', 'b/c'],
      ['a/b/', ''],
      ['', ''],
    ] as const) {
      expect(recordIn(directory, name)).toEqual(recordAt(directory + name));
    }
  });
});

function asked(path: string, cut: boolean) {
  return cut ? recordAt(path) : path;
}

function shown(record: Partial<HeldRecord> | undefined) {
  if (record?.sealed === undefined) return undefined;
  return { hex: Buffer.from(record.sealed).toString('hex'), value: record.value };
}

function prefixes(path: string): readonly string[] {
  return [...path.matchAll(/\//g)].map((match) => path.slice(0, match.index + 1));
}
