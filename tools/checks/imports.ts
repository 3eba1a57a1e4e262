import { cruise, type ICruiseResult } from 'dependency-cruiser';
import { type Architecture, importRules } from './import-rules.ts';

export interface ImportReport {
  readonly problems: readonly string[];
  /** Files that were read: a checker that reads nothing finds nothing wrong. */
  readonly modules: number;
}

/**
 * Holds every import below `root` against architecture.mjs. `expected` are the files that must have been read: with
 * the TypeScript of this repository and without @swc/core, dependency-cruiser reads none and reports success.
 */
export async function checkImports(
  root: string,
  architecture: Architecture,
  expected: readonly string[],
): Promise<ImportReport> {
  const roots = ['packages', 'tests', 'bench'].filter((each) =>
    expected.some((path) => path.startsWith(`${each}/`)),
  );
  const { output } = await cruise(
    roots,
    {
      baseDir: root,
      ruleSet: { forbidden: importRules(architecture) },
      validate: true,
      doNotFollow: { path: 'node_modules' },
      parser: 'swc',
      tsPreCompilationDeps: true,
      combinedDependencies: true,
    },
    {
      extensions: ['.ts', '.mjs', '.js', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
    },
  );
  // Without an output type that makes text, the result is the data itself.
  const result = output as ICruiseResult;
  const read = new Set(result.modules.map((module) => module.source));
  const unread = expected.filter((path) => !read.has(path));
  return {
    modules: expected.length - unread.length,
    problems: [
      ...unread.map((path) => `${path}: was not read, so nothing in it was checked`),
      ...result.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} imports ${to}`),
      ...relativeDoors(result),
    ],
  };
}

/** Contexts are entered by name (`#ledger`): a relative path says where a thing lies, not what it is. */
function relativeDoors(result: ICruiseResult): readonly string[] {
  const contextOf = (path: string): string | undefined => /^packages\/server\/src\/([^/]+)\//.exec(path)?.[1];
  return result.modules.flatMap((module) => {
    if (
      !module.source.startsWith('packages/server/src/') ||
      /[.](test|contract|fixture)[.]ts$/.test(module.source)
    )
      return [];
    return module.dependencies
      .filter(({ resolved, module: text }) => {
        const to = contextOf(resolved);
        return to !== undefined && to !== 'app' && to !== contextOf(module.source) && text.startsWith('.');
      })
      .map(
        ({ resolved, module: text }) =>
          `enter-by-name: ${module.source} imports '${text}', expected '#${contextOf(resolved)}'`,
      );
  });
}
