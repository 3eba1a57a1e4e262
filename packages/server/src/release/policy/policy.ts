import { type Definition, type Environment, parseDuration } from '@sallyport/contract';
import { canonicalJson, type Digest, digestOf, Fault, utf8 } from '@sallyport/formats';
import { type Compiled, compileGate } from './cel.ts';
import { type Clause, type GateParameters, libraryClauses } from './library.ts';

export interface CompiledGate {
  readonly name: string;
  /** Where it comes from: the part that cannot be removed, the definition, or the default set. */
  readonly origin: 'minimum' | 'definition' | 'default';
  readonly clauses: ReadonlyArray<Clause & { readonly compiled: Compiled }>;
}

export interface EnvironmentPolicy {
  readonly environment: string;
  /** The environment a release must come from, empty for the first. */
  readonly previous: string;
  readonly auto: boolean;
  readonly rollbackOn: readonly ('unhealthy' | 'start_failed')[];
  readonly gates: readonly CompiledGate[];
  /** Digest of everything that decides: gate names, parameters, expressions, what is expected of the source. */
  readonly digest: Digest;
}

export interface Policy {
  readonly environments: readonly EnvironmentPolicy[];
  readonly expected: ExpectedSource;
}

/** What the protected definition says about where releases come from. */
export interface ExpectedSource {
  readonly repository: string;
  readonly refs: readonly string[];
  readonly tests: readonly string[];
  readonly lockfiles: number;
}

/** Always judged, listed or not: nothing enters any environment without them. */
const minimum = ['provenance', 'run-succeeded'] as const;
const defaults = ['tests-passed', 'sbom-complete', 'dependencies-verified'] as const;

/**
 * Compiles and type-checks the gates of all environments of a definition. Throws Fault invalid naming the gate, line
 * and column; nothing of an invalid definition takes effect.
 */
export function compilePolicy(definition: Definition, repository: string): Policy {
  const expected: ExpectedSource = {
    repository,
    refs: [
      ...(definition.triggers.push ?? []).map((pattern) => `refs/heads/${pattern}`),
      ...(definition.triggers.tag ?? []).map((pattern) => `refs/tags/${pattern}`),
    ],
    tests: (definition.verify ?? []).map((step) => step.name),
    lockfiles: definition.dependencies?.lockfiles.length ?? 0,
  };
  const names = Object.keys(definition.environments);
  const environments = Object.entries(definition.environments).map(([name, environment], index) => {
    const previous = environment.promote?.from ?? names[index - 1] ?? '';
    if (previous !== '' && !names.slice(0, index).includes(previous)) {
      throw new Fault(
        'invalid',
        'release.environment_unknown',
        `environments.${name}.promote.from: expected an earlier environment, got ${previous}`,
        { hint: `earlier are ${names.slice(0, index).join(', ') || 'none'}` },
      );
    }
    return compileEnvironment(name, environment, previous, expected);
  });
  return { environments, expected };
}

interface Source {
  readonly name: string;
  readonly origin: CompiledGate['origin'];
  readonly where: string;
  readonly parameters: GateParameters;
  readonly own?: { readonly cel: string; readonly fix: string | undefined };
}

function compileEnvironment(
  name: string,
  environment: Environment,
  previous: string,
  expected: ExpectedSource,
): EnvironmentPolicy {
  const sources = gatesOf(name, environment, previous);
  const untested = sources.find((source) => source.name === 'tests-passed' && source.origin === 'definition');
  if (untested !== undefined && expected.tests.length === 0) {
    // With no step to pass the gate would always be open, which is not what whoever listed it meant.
    throw new Fault(
      'invalid',
      'release.gate_empty',
      `${untested.where}: expected verify steps for tests-passed to ask for, found none`,
      { hint: 'add steps under verify, or remove the gate' },
    );
  }
  const gates = sources.map((source) => compileSource(source));
  const digest = digestOf(
    utf8(
      canonicalJson({
        environment: name,
        previous,
        expected: { ...expected, refs: [...expected.refs], tests: [...expected.tests] },
        gates: gates.map((gate, index) => ({
          name: gate.name,
          parameters: { ...sources[index]?.parameters },
          clauses: gate.clauses.map((clause) => clause.cel),
        })),
      }),
    ),
  );
  const auto = environment.promote?.auto ?? false;
  return { environment: name, previous, auto, rollbackOn: environment.rollback?.on ?? [], gates, digest };
}

function gatesOf(name: string, environment: Environment, previous: string): Source[] {
  const found = new Map<string, Source>();
  const add = (source: Source) => {
    if (!found.has(source.name)) found.set(source.name, source);
  };
  for (const gate of minimum)
    add({ name: gate, origin: 'minimum', where: `environments.${name}`, parameters: {} });
  const listed = environment.gates ?? [];
  for (const [index, spec] of listed.entries()) {
    const where = `environments.${name}.gates[${index}]`;
    if ('use' in spec) {
      add({ name: spec.use, origin: 'definition', where, parameters: spec.with ?? {} });
    } else if (found.has(spec.name)) {
      // An own gate must not take the place of one that cannot be removed.
      throw new Fault(
        'invalid',
        'release.gate_duplicate',
        `${where}: expected a new name, got ${spec.name} again`,
      );
    } else {
      add({
        name: spec.name,
        origin: 'definition',
        where,
        parameters: {},
        own: { cel: spec.cel, fix: spec.fix },
      });
    }
  }
  if (listed.length === 0) {
    for (const gate of defaults)
      add({ name: gate, origin: 'default', where: `environments.${name}`, parameters: {} });
  }
  addPromoteGates(name, environment, previous, found, add);
  return [...found.values()];
}

/** `promote.from`, `soak` and `approvals` are gates too. They are judged beside gates of the same name in `gates`. */
function addPromoteGates(
  name: string,
  environment: Environment,
  previous: string,
  found: ReadonlyMap<string, Source>,
  add: (source: Source) => void,
): void {
  const where = `environments.${name}.promote`;
  const unused = (gate: string) => (found.has(gate) ? `promote-${gate}` : gate);
  if (previous !== '') {
    const parameters = { for: environment.promote?.soak ?? '0s' };
    parseDuration(parameters.for);
    add({ name: unused('soaked'), origin: 'definition', where, parameters });
  }
  const approvals = environment.promote?.approvals;
  if (approvals !== undefined) {
    const parameters = {
      min: String(approvals.min),
      groups: (approvals.groups ?? []).join(','),
      not: (approvals.not ?? ['author', 'promoter']).join(','),
    };
    add({ name: unused('approvals'), origin: 'definition', where, parameters });
  }
}

function compileSource(source: Source): CompiledGate {
  const { own } = source;
  const clauses: readonly Clause[] =
    own === undefined
      ? libraryClauses(source.name.replace(/^promote-/, ''), source.parameters, source.where)
      : [
          {
            cel: own.cel,
            reason: () => `expected ${own.cel} to be true, found false`,
            fix: () => own.fix ?? 'provide evidence that makes the expression true',
          },
        ];
  return {
    name: source.name,
    origin: source.origin,
    clauses: clauses.map((clause) => ({ ...clause, compiled: compileGate(clause.cel, source.where) })),
  };
}
