import type { IForbiddenRuleType } from 'dependency-cruiser';

export interface Architecture {
  readonly mayImport: Readonly<Record<string, readonly string[]>>;
  readonly packageMayImport: Readonly<Record<string, readonly string[]>>;
  readonly onlyIn: ReadonlyArray<{
    readonly modules: readonly string[];
    readonly places: readonly string[];
    readonly reason: string;
  }>;
}

const server = '^packages/server/src';
const tests = [
  '[.](test|contract|fixture)[.]ts$',
  '/test-support/',
  '^tests/',
  '^bench/',
  '^tools/',
  '^examples/',
];

const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&').replaceAll('\\/', '/');

/** The rules for dependency-cruiser, made from architecture.mjs. Patterns are lists of simple ones: it refuses clever ones. */
export function importRules({ mayImport, packageMayImport, onlyIn }: Architecture): IForbiddenRuleType[] {
  const contexts = Object.keys(mayImport);
  return [
    ...['platform', ...contexts].map((name) => oneDoor(name)),
    ...Object.entries(mayImport).map(([name, allowed]) => edges(name, contexts, allowed)),
    {
      name: 'platform-knows-nobody',
      comment: 'platform is what every context stands on; it may know none',
      severity: 'error',
      from: { path: `${server}/platform/` },
      to: { path: [...contexts, 'app'].map((name) => `${server}/${name}/`) },
    },
    ...Object.entries(packageMayImport).map(([name, allowed]) =>
      packageEdges(name, Object.keys(packageMayImport), allowed),
    ),
    ...onlyIn.map((rule) => only(rule)),
    {
      name: 'no-cycle',
      comment: 'in a cycle nothing can be understood or tested alone',
      severity: 'error',
      from: { path: '^packages/' },
      // A cycle that types close is none when the program runs.
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-unresolved',
      comment: 'an import that leads nowhere fails at run time, and hides from every other rule',
      severity: 'error',
      from: { path: '^packages/' },
      to: { couldNotResolve: true },
    },
    {
      name: 'tests-stay-outside',
      comment: 'production code that imports test code ships it',
      severity: 'error',
      from: { path: '^packages/', pathNot: tests },
      to: { path: ['[.](test|contract|fixture)[.]ts$', '/test-support/', '^tests/', '^bench/'] },
    },
  ];
}

/**
 * Test support stands in for compose.ts: it opens the platform's parts one by one, and a vault with the engines and mounts
 * that a test is about.
 */
const openedInParts: ReadonlySet<string> = new Set(['platform', 'vault']);

function oneDoor(name: string): IForbiddenRuleType {
  return {
    name: `one-door-${name}`,
    comment: `what ${name}/index.ts does not export is private`,
    severity: 'error',
    from: {
      path: ['^packages/', '^tests/', '^bench/'],
      pathNot: [`${server}/${name}/`, ...(openedInParts.has(name) ? ['^packages/server/test-support/'] : [])],
    },
    to: { path: `${server}/${name}/`, pathNot: `${server}/${name}/index[.]ts$` },
  };
}

function edges(name: string, contexts: readonly string[], allowed: readonly string[]): IForbiddenRuleType {
  const others = [...contexts, 'app'].filter((other) => other !== name && !allowed.includes(other));
  return {
    name: `edge-${name}`,
    comment: `${name} may import ${['platform', ...allowed].join(', ')} only (architecture.mjs)`,
    severity: 'error',
    // A test may bring real neighbours; what several tests share with strangers belongs to test-support.
    from: { path: `${server}/${name}/`, pathNot: '[.]test[.]ts$' },
    to: { path: others.map((other) => `${server}/${other}/`) },
  };
}

function packageEdges(
  name: string,
  packages: readonly string[],
  allowed: readonly string[],
): IForbiddenRuleType {
  const others = packages.filter((other) => other !== name && !allowed.includes(other));
  return {
    name: `package-${name}`,
    comment: `a package is a trust boundary: ${name} may import ${allowed.join(', ') || 'no other'} (architecture.mjs)`,
    severity: 'error',
    from: { path: `^packages/${name}/` },
    to: { path: others.flatMap((other) => [`^packages/${other}/`, `node_modules/@sallyport/${other}/`]) },
  };
}

function only({ modules, places, reason }: Architecture['onlyIn'][number]): IForbiddenRuleType {
  return {
    name: `only-in-${modules[0]?.replace(/[^a-z]+/g, '-') ?? 'nowhere'}`,
    comment: reason,
    severity: 'error',
    from: {
      path: '^packages/',
      pathNot: [
        ...tests,
        ...places.map((place) =>
          place.includes('/') ? `^packages/${literal(place)}` : `${literal(place)}$`,
        ),
      ],
    },
    to: {
      path: modules.map((module) =>
        module.startsWith('node:')
          ? `^(node:)?${literal(module.slice(5))}$`
          : `node_modules/${literal(module)}/`,
      ),
    },
  };
}
