import type { Architecture } from '../checks/import-rules.ts';

const begin = '<!-- imports: made by `node tools/documents.mjs` from architecture.mjs; do not edit -->';
const end = '<!-- end of imports -->';

/** Who may import whom, as two tables of text. A row may import what is marked; nothing above the diagonal: no cycles. */
export function importsSection({ mayImport, packageMayImport }: Architecture): string {
  const contexts = { ...mayImport };
  // The two that are no contexts: everybody stands on one, the other stands on everybody.
  const app = { app: Object.keys(contexts) };
  const platform = Object.fromEntries(
    Object.entries(contexts).map(([name, to]) => [name, ['platform', ...to]]),
  );
  return [
    begin,
    '',
    '```text',
    'a row may import the marked columns',
    '',
    ...matrix('contexts', { platform: [], ...platform, app: ['platform', ...(app.app ?? [])] }),
    '',
    ...matrix('packages', packageMayImport),
    '```',
    '',
    end,
  ].join('\n');
}

function matrix(title: string, edges: Readonly<Record<string, readonly string[]>>): readonly string[] {
  const names = ordered(edges);
  const width = Math.max(title.length, ...names.map((name) => name.length));
  const line = (first: string, cells: readonly string[]): string =>
    `${first.padEnd(width)}  ${cells.join('  ')}`.trimEnd();
  const columns = names.slice(0, -1);
  return [
    line(title, columns),
    ...names.map((row) =>
      line(
        row,
        columns.map((column) => mark(row, column, edges).padEnd(column.length)),
      ),
    ),
  ];
}

function mark(row: string, column: string, edges: Readonly<Record<string, readonly string[]>>): string {
  if (row === column) return '\\';
  return edges[row]?.includes(column) ? 'x' : '.';
}

/** Lowest first. Throws when the edges have a cycle, because then there is no lowest. */
function ordered(edges: Readonly<Record<string, readonly string[]>>): readonly string[] {
  const rest = new Map(Object.entries(edges));
  const done: string[] = [];
  while (rest.size > 0) {
    const next = [...rest].find(([, to]) => to.every((name) => done.includes(name)));
    if (next === undefined)
      throw new Error(`architecture.mjs has a cycle among ${[...rest.keys()].join(', ')}`);
    done.push(next[0]);
    rest.delete(next[0]);
  }
  return done;
}

/** The document with its section replaced. A document without the two marks is outdated as a whole. */
export function withSection(document: string, section: string): string {
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from === -1 || to < from) return `${document.trimEnd()}\n\n${section}\n`;
  return document.slice(0, from) + section + document.slice(to + end.length);
}
