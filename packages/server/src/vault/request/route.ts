import type { Turn } from '#journal';
import type { Backend, PathSpec } from '../backend.ts';
import type { Core } from '../core.ts';
import { backendNameOf, type Mount } from '../mounts/mount.ts';
import { type MountTable, mountsOf } from '../mounts/table.ts';
import { createRecent, type Recent } from '../recent.ts';

/** What a path leads to. */
export interface Route {
  readonly mount: Mount;
  readonly backend: Backend;
  /** Below the mount. */
  readonly path: string;
  /** Absent when the backend knows no such path. */
  readonly spec: PathSpec | undefined;
  readonly params: Readonly<Record<string, string>>;
  /** Whether something of it is prepared before the turn. */
  readonly prepares: boolean;
}

/** What was asked for lately is asked for again. By table: as long as no mount changes, a path leads where it led. */
const remembered = new WeakMap<MountTable, Recent<string, Route>>();
const rememberedRoutes = 1024;
const longestRemembered = 200;

export function findRoute(turn: Turn, core: Core, path: string): Route | undefined {
  const table = mountsOf(turn);
  let routes = remembered.get(table);
  if (routes === undefined) {
    routes = createRecent(rememberedRoutes);
    remembered.set(table, routes);
  }
  const known = routes.find(path);
  if (known !== undefined) return known;
  const route = routeIn(table, core, path);
  if (route !== undefined && path.length <= longestRemembered) routes.keep(path, route);
  return route;
}

function routeIn(table: MountTable, core: Core, path: string): Route | undefined {
  const mount = table.find(path);
  if (mount === undefined) return undefined;
  const backends = mount.kind === 'auth' ? core.backends.auth : core.backends.secret;
  const backend = backends.get(backendNameOf(mount));
  if (backend === undefined) return undefined;
  const rest = path.slice(mount.path.length);
  const found = matcherOf(backend)(rest);
  const { spec, params = {}, prepares = false } = found ?? {};
  return { mount, backend, path: rest, spec, params, prepares };
}

type Matcher = (path: string) => Matched | undefined;

interface Matched {
  readonly spec: PathSpec;
  readonly params: Record<string, string>;
  readonly prepares: boolean;
}

interface Pattern {
  readonly spec: PathSpec;
  readonly prepares: boolean;
  readonly segments: readonly string[];
  /** The name of what takes the rest, without star. */
  readonly rest: string | undefined;
}

const matchers = new WeakMap<Backend, Matcher>();

function matcherOf(backend: Backend): Matcher {
  let matcher = matchers.get(backend);
  if (matcher === undefined) {
    matcher = compile(backend.paths);
    matchers.set(backend, matcher);
  }
  return matcher;
}

/** Patterns by their first literal segment, each group in the order of the table. */
function compile(specs: readonly PathSpec[]): Matcher {
  const patterns = specs.map(patternOf);
  const firsts = new Map<string, Pattern[]>();
  const open = patterns.filter((pattern) => literalFirst(pattern) === undefined);
  for (const pattern of patterns) {
    const first = literalFirst(pattern);
    if (first !== undefined && !firsts.has(first))
      firsts.set(
        first,
        patterns.filter((each) => literalFirst(each) === first || literalFirst(each) === undefined),
      );
  }
  return (path) => {
    const segments = path === '' ? [] : path.split('/');
    for (const pattern of firsts.get(segments[0] ?? '') ?? open) {
      const params = match(pattern, segments);
      if (params !== undefined) return { spec: pattern.spec, params, prepares: pattern.prepares };
    }
    return undefined;
  };
}

function literalFirst({ segments }: Pattern): string | undefined {
  const [first] = segments;
  return first === undefined || first.startsWith(':') ? undefined : first;
}

function patternOf(spec: PathSpec): Pattern {
  const segments = spec.pattern === '' ? [] : spec.pattern.split('/');
  const last = segments.at(-1);
  const rest = last?.startsWith(':') && last.endsWith('*') ? last.slice(1, -1) : undefined;
  return {
    spec,
    prepares: Object.values(spec.on).some((handler) => typeof handler !== 'function'),
    segments: rest === undefined ? segments : segments.slice(0, -1),
    rest,
  };
}

function match(pattern: Pattern, segments: readonly string[]): Record<string, string> | undefined {
  const { segments: wanted, rest } = pattern;
  if (segments.length < wanted.length || (rest === undefined && segments.length > wanted.length))
    return undefined;
  const params: Record<string, string> = Object.create(null);
  for (let index = 0; index < wanted.length; index += 1) {
    const [want, got] = [wanted[index], segments[index]];
    if (want === undefined || got === undefined) return undefined;
    if (want.startsWith(':')) params[want.slice(1)] = got;
    else if (want !== got) return undefined;
  }
  if (rest !== undefined) params[rest] = segments.slice(wanted.length).join('/');
  return params;
}
