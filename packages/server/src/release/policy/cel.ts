import { createContext, Script } from 'node:vm';
import { TypeError as CelTypeError, Environment, EvaluationError, ParseError } from '@marcbachmann/cel-js';
import { Fault } from '@sallyport/formats';
import { evidenceVariables, type FactName, factShapes, type GateInput } from './facts.ts';
import { globMatches } from './glob.ts';
import { assertMonotone, positionOf } from './monotone.ts';

/** A checked expression. `test` is true only when the expression evaluated to true; an error is a reason. */
export interface Compiled {
  readonly source: string;
  test(input: GateInput): Outcome;
}

export type Outcome = { readonly passed: true } | { readonly passed: false; readonly error?: string };

/**
 * How often one expression may look into a list of facts. Counted, not timed: the same evidence must give the same
 * verdict on a busy machine too. A decision over a thousand statements needs some thousands. Beyond it the gate does
 * not pass: the one case where less evidence may pass where more did not, because more could not be judged at all.
 */
const maxReads = 200_000;

/** When even that takes this long, the machine has stalled; then there is no verdict at all, and the wake is repeated. */
const evaluationMilliseconds = 10_000;

const celTypes = {
  string: 'string',
  bool: 'bool',
  int: 'int',
  time: 'google.protobuf.Timestamp',
  strings: 'list<string>',
} as const;

function celType(type: string): string {
  if (type.endsWith('[]')) return `list<${type.slice(0, -2)}>`;
  // Narrowed by the table in facts.ts, whose values are these keys or end in [].
  return celTypes[type as keyof typeof celTypes];
}

const constructors = new Map<FactName, new () => object>();
const gates = createEnvironment();

function createEnvironment(): Environment {
  const environment = new Environment({
    unlistedVariablesAreDyn: false,
    limits: { maxAstNodes: 600, maxDepth: 40, maxListElements: 100, maxMapEntries: 100, maxCallArguments: 8 },
  });
  // Step and Finding are used by Run and Dependencies: register what has no list of facts first.
  const names = (Object.keys(factShapes) as FactName[]).sort((a, b) => depth(a) - depth(b));
  for (const name of names) {
    const ctor = class {};
    Object.defineProperty(ctor, 'name', { value: name });
    constructors.set(name, ctor);
    const fields = Object.fromEntries(
      Object.entries(factShapes[name]).map(([field, type]) => [field, celType(type)]),
    );
    environment.registerType(name, { ctor, fields });
  }
  for (const [variable, type] of Object.entries(evidenceVariables)) {
    environment.registerVariable(variable, `list<${type}>`);
  }
  environment
    .registerVariable('now', celTypes.time)
    .registerVariable('project', 'string')
    .registerVariable('service', 'string')
    .registerVariable('subject', 'Subject')
    .registerVariable('environment', 'Environment')
    .registerVariable('expected', 'Expected')
    .registerVariable('previous', 'Previous')
    .registerFunction('glob(string, string): bool', (text: string, pattern: string) =>
      globMatches(text, pattern),
    )
    .registerFunction('list.atLeast(int, ast, ast): bool', atLeast);
  return environment;
}

function depth(name: FactName): number {
  return Object.values(factShapes[name]).some((type: string) => type.endsWith('[]')) ? 1 : 0;
}

/**
 * `list.atLeast(n, x, predicate)`: whether the predicate holds for n elements. Unlike `filter().size()`, an element
 * whose predicate fails with an error does not count and does not end the evaluation, so that removing an element can
 * never turn an error into true.
 */
// The hooks of a macro are untyped in cel-js 8.0.0 (README, "Custom macros").
// biome-ignore lint/suspicious/noExplicitAny: see above
function atLeast({ args, receiver }: any) {
  return {
    // biome-ignore lint/suspicious/noExplicitAny: see above
    typeCheck(checker: any, macro: any, ctx: any) {
      if (args[1].op !== 'id')
        throw checker.createError('invalid_macro_argument', 'expected a name', args[1]);
      checker.check(args[0], ctx);
      const list = checker.check(receiver, ctx);
      macro.inner = ctx.forkWithVariable(args[1].args, list.kind === 'list' ? list.valueType : list);
      if (!checker.check(args[2], macro.inner).isDynOrBool()) {
        throw checker.createError('invalid_predicate', 'atLeast(n, x, predicate): expected a bool', args[2]);
      }
      return checker.getType('bool');
    },
    // biome-ignore lint/suspicious/noExplicitAny: see above
    evaluate(evaluator: any, macro: any, ctx: any) {
      const wanted: bigint = evaluator.run(args[0], ctx);
      const inner = macro.inner.reuse(ctx);
      let found = 0n;
      for (const item of evaluator.run(receiver, ctx)) {
        if (found >= wanted) break;
        if (evaluator.tryEval(args[2], inner.setIterValue(item, evaluator)) === true) found += 1n;
      }
      return found >= wanted;
    },
  };
}

/**
 * Parses, type-checks and bounds an expression. `where` names it for the reader (`environments.prod.gates[1]`).
 * Throws Fault invalid with line and column.
 */
export function compileGate(source: string, where: string): Compiled {
  const run = parse(source, where);
  assertMonotone(run.ast, source);
  const checked = run.check();
  if (!checked.valid) throw located(checked.error, source, where);
  if (checked.type !== 'bool') {
    throw new Fault('invalid', 'release.gate_invalid', `${where}: expected a bool, got ${checked.type}`, {
      hint: 'a gate is an expression that is true when the gate passes',
      details: { where, ...positionOf(source, 0) },
    });
  }
  return { source, test: (input) => testBounded(() => run(input)) };
}

function parse(source: string, where: string): ReturnType<Environment['parse']> {
  try {
    return gates.parse(source);
  } catch (error) {
    throw located(error, source, where);
  }
}

function located(error: unknown, source: string, where: string): Fault {
  if (error instanceof ParseError || error instanceof CelTypeError || error instanceof EvaluationError) {
    const position = positionOf(source, error.range?.start ?? 0);
    const message = `${where}, line ${position.line}, column ${position.column}: ${error.summary}`;
    return new Fault('invalid', 'release.gate_invalid', message, {
      hint: 'see docs/gates.md for the variables and their types',
      details: { where, ...position },
      cause: error,
    });
  }
  return new Fault('invalid', 'release.gate_invalid', `${where}: expected a CEL expression`, {
    cause: error,
  });
}

// One context and one script for all evaluations: the script only calls back, so that V8 can end the call in time.
const bounded: { work: (() => unknown) | undefined } = { work: undefined };
const boundedContext = createContext(bounded);
const boundedScript = new Script('work()');

let reads = 0;

function testBounded(work: () => unknown): Outcome {
  bounded.work = work;
  reads = 0;
  try {
    const value = boundedScript.runInContext(boundedContext, { timeout: evaluationMilliseconds });
    // Quantifiers swallow errors of their elements, so what came of it after the bound means nothing.
    if (reads > maxReads) return tooMany;
    return value === true ? { passed: true } : { passed: false };
  } catch (error) {
    if (isTimeout(error)) {
      throw new Fault('unavailable', 'release.gate_stalled', 'a gate took too long to evaluate', {
        cause: error,
      });
    }
    if (reads > maxReads) return tooMany;
    return {
      passed: false,
      error: error instanceof EvaluationError ? error.summary : 'the expression failed',
    };
  } finally {
    bounded.work = undefined;
  }
}

const tooMany: Outcome = {
  passed: false,
  error: `the expression looked at facts more than ${maxReads} times`,
};

/** A list that counts how often it is looked into, and throws beyond the bound: comprehensions read by index. */
export function counted<T>(list: readonly T[]): readonly T[] {
  return new Proxy(list, {
    get(target, key, receiver) {
      reads += 1;
      if (reads > maxReads) throw new EvaluationError('too many reads');
      return Reflect.get(target, key, receiver);
    },
  });
}

const timeoutCode = 'ERR_SCRIPT_EXECUTION_TIMEOUT';

function isTimeout(error: unknown): boolean {
  // The error may come from the realm of the bounded context, so its class says nothing.
  return typeof error === 'object' && error !== null && 'code' in error && error.code === timeoutCode;
}

/** Gives plain data the class its CEL type is known by. Shallow: lists of facts are made of facts. */
export function fact<K extends FactName, T extends object>(name: K, values: T): T {
  const ctor = constructors.get(name);
  if (ctor === undefined) throw new Fault('internal', 'release.fact_unknown', `unknown fact ${name}`);
  const made = Object.assign(Object.create(ctor.prototype), values);
  for (const [key, value] of Object.entries(values)) if (Array.isArray(value)) made[key] = counted(value);
  return made;
}
