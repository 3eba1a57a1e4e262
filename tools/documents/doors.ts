import { posix } from 'node:path';
import type { Tree } from '../checks/tree.ts';

const isDoor = (path: string): boolean =>
  /^packages\/server\/src\/[^/]+\/index\.ts$/.test(path) ||
  /^packages\/(formats|contract|sdk)\/src\/index\.ts$/.test(path);

/** docs/doors.md: the names each door exports, types marked. Written as text so that a change of a door is seen. */
export function doorsDoc(tree: Tree): string {
  const sections = tree.files
    .filter(isDoor)
    .toSorted()
    .map((door) => {
      const names = [...exportsOf(tree, door)].toSorted(([a], [b]) => (a < b ? -1 : 1));
      const lines = names.map(([name, isType]) => `- \`${name}\`${isType ? ' (type)' : ''}`);
      return `## ${door
        .replace(/^packages\//, '')
        .replace(/\/(src\/)?index\.ts$/, '')
        .replace('/src/', '/')}\n\n${lines.join('\n')}\n`;
    });
  return `${head}\n${sections.join('\n')}`;
}

/** Name and whether it is a type only. Both forms of our doors are read: a list with `from`, and `export *`. */
export function exportsOf(tree: Tree, path: string): ReadonlyMap<string, boolean> {
  const text = withoutComments(tree.read(path));
  const names = new Map<string, boolean>();
  const add = (name: string, isType: boolean): void => {
    // A value and a type of one name are one export; it is a type only when nothing else has the name.
    names.set(name, isType && (names.get(name) ?? true));
  };
  for (const [, type, list = ''] of text.matchAll(/export (type )?\{([^}]*)\}/g)) {
    for (const item of list
      .split(',')
      .map((each) => each.trim())
      .filter((each) => each !== '')) {
      const name = item.replace(/^type /, '').replace(/^.* as /, '');
      add(name, type !== undefined || item.startsWith('type '));
    }
  }
  for (const [, kind = '', name = ''] of text.matchAll(
    /^export (?:declare )?(?:abstract )?(?:async )?(const|let|class|function\*?|interface|type) ([A-Za-z_$][\w$]*)/gm,
  )) {
    add(name, kind === 'interface' || kind === 'type');
  }
  for (const [, from = ''] of text.matchAll(/export \* from '(\.[^']+)'/g)) {
    for (const [name, isType] of exportsOf(tree, posix.join(posix.dirname(path), from))) add(name, isType);
  }
  return names;
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

const head = `# Doors

What each context and each shared package exports; everything else is private. Made by \`node tools/api-report.mjs\`; do
not edit. A change here is a change of a promise and is read in review.
`;
