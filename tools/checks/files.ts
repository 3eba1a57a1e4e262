import { type Check, isCode, isTest } from './tree.ts';

const ours = (path: string): boolean => /^(packages|tools|tests|bench|examples)\//.test(path);

const emptyWords = new Set(['utils', 'util', 'helpers', 'helper', 'common', 'misc', 'impl', 'manager']);
const kebab = /^[a-z0-9]+(-[a-z0-9]+)*$/;

/** CONTRIBUTING, Files: kebab-case, and no name that says nothing about what is inside. */
export const fileNames: Check = ({ files }) =>
  files
    .filter((path) => ours(path) && isCode(path))
    .flatMap((path) => {
      const problems: string[] = [];
      for (const part of path.split('/')) {
        const stems = part.split('.').filter((stem) => stem !== '');
        if (stems.some((stem) => !kebab.test(stem)))
          problems.push(`${path}: expected kebab-case, got '${part}'`);
        const empty = stems.flatMap((stem) => stem.split('-')).find((word) => emptyWords.has(word));
        if (/-v[0-9]+(\.|$)/.test(part))
          problems.push(`${path}: a second version beside the first; replace the first`);
        if (empty !== undefined) problems.push(`${path}: '${empty}' says nothing; name what is inside`);
      }
      return problems;
    });

/** The four kinds of file that grow without end in other projects are stopped by a number. */
export const fileLength: Check = ({ files, read }) =>
  files
    .filter((path) => ours(path) && isCode(path) && !path.includes('/vectors/'))
    .flatMap((path) => {
      const lines = read(path).split('\n').length - 1;
      const most = isTest(path) ? 600 : 400;
      return lines > most
        ? [`${path}: expected at most ${most} lines, got ${lines}; it is probably two ideas`]
        : [];
    });

/** Every context says in at most 80 lines what it owns, refuses and promises. */
export const contextReadmes: Check = ({ files, read }) =>
  files
    .filter((path) => /^packages\/server\/src\/[^/]+\/index\.ts$/.test(path))
    .flatMap((door) => {
      const readme = door.replace(/index\.ts$/, 'README.md');
      if (!files.includes(readme)) return [`${readme}: expected a README beside the door of the context`];
      const lines = read(readme).split('\n').length - 1;
      return lines > 80 ? [`${readme}: expected at most 80 lines, got ${lines}`] : [];
    });

/** A hole that is known stands where it is and in SECURITY.md, and in neither when it is closed. */
export const knownLimits: Check = ({ files, read }) => {
  const marker = `KNOWN ${'LIMIT'}`;
  const markers = new RegExp(`${marker}:|^## ${marker}S?$`, 'im');
  const holders = files.filter(
    (path) =>
      /^(packages|docs)\//.test(path) && (isCode(path) || path.endsWith('.md')) && markers.test(read(path)),
  );
  const security = files.includes('SECURITY.md') ? read('SECURITY.md') : '';
  const section = /^## Known limits$([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(security)?.[1] ?? '';
  const listed = new Set(pathsIn(section));
  return [
    ...holders
      .filter((path) => !listed.has(path))
      .map((path) => `${path}: has a ${marker} that SECURITY.md does not list`),
    ...[...listed]
      .filter((path) => !holders.includes(path))
      .map((path) => `SECURITY.md: lists ${path}, which has no ${marker} (any more)`),
  ];
};

/** A document that names a file which is not there sends its reader nowhere, and its claim is not what it seems. */
export const documentPaths: Check = ({ files, read }) =>
  files
    .filter((path) => /^(docs\/.*|[^/]+)\.md$/.test(path))
    .flatMap((path) =>
      pathsIn(read(path))
        .filter(
          (named) => !files.some((file) => file === named || file.startsWith(`${named.replace(/\/$/, '')}/`)),
        )
        .map((named) => `${path}: names ${named}, which is not there`),
    );

function pathsIn(text: string): readonly string[] {
  const named = text.matchAll(/`((?:packages|docs|tools|tests|bench|examples)\/[\w./-]+)`/g);
  return [...new Set([...named].map(([, path]) => path ?? ''))];
}
