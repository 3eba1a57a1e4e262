import type { ASTNode } from '@marcbachmann/cel-js';
import { Fault } from '@sallyport/formats';
import { evidenceVariables } from './facts.ts';

/**
 * Refuses expressions that could open a gate because evidence is *missing*. Whoever can hide evidence (delete a
 * referrer, delay a report) must never gain by it, so evidence may only be asked to exist:
 *
 *   runs.exists(r, …)      approvals.atLeast(2, a, …)      joined by && and ||
 *
 * and never to be absent (`!`, `all`, `size(…) == 0`, `==`). What a single statement says may be judged in any way:
 * inside `exists(d, …)` the variable `d` is one statement, whole and signed, and nothing can be taken out of it.
 * By induction over the grammar, an expression accepted here that is not true stays not true when evidence is removed;
 * an error counts as not true.
 */
export function assertMonotone(ast: ASTNode, source: string): void {
  walk(ast, [], source, 0);
}

/** Nested comprehensions multiply; three over a thousand statements is the most a decision can afford. */
const maxNesting = 3;
const comprehensions = new Set(['exists', 'all', 'exists_one', 'map', 'filter', 'atLeast']);

/** `ast` stands where true means "more open"; evidence may appear here, in the accepted forms. */
function walk(ast: ASTNode, bound: readonly string[], source: string, nesting: number): void {
  switch (ast.op) {
    case '&&':
    case '||':
      for (const side of ast.args) walk(side, bound, source, nesting);
      return;
    case '?:':
      opaque(ast.args[0], bound, source, nesting);
      walk(ast.args[1], bound, source, nesting);
      walk(ast.args[2], bound, source, nesting);
      return;
    case 'rcall': {
      const [name, receiver, args] = ast.args;
      if (name !== 'exists' && name !== 'atLeast' && name !== 'all') break;
      if (args.length !== (name === 'atLeast' ? 3 : 2)) break;
      const overEvidence = isEvidence(receiver, bound);
      if (overEvidence && name === 'all') refuse(receiver, source, 'all() over evidence');
      if (!overEvidence) opaque(receiver, bound, source, nesting);
      if (name === 'atLeast' && args[0] !== undefined) opaque(args[0], bound, source, nesting);
      const variable = args[args.length - 2];
      const predicate = args[args.length - 1];
      if (variable === undefined || predicate === undefined) break;
      walk(predicate, bind(variable, bound, source, nesting), source, nesting + 1);
      return;
    }
  }
  opaque(ast, bound, source, nesting);
}

/** `ast` may be used in any way, so it must not mention evidence at all. */
function opaque(ast: ASTNode, bound: readonly string[], source: string, nesting: number): void {
  if (isEvidence(ast, bound)) refuse(ast, source, `\`${ast.args}\` used other than by exists() or atLeast()`);
  if (ast.op === 'call' || ast.op === 'rcall') {
    const name = ast.args[0];
    if (name === 'matches') {
      fail('release.gate_unbounded', ast, source, 'matches() is not available', 'use glob(text, pattern)');
    }
    if (ast.op === 'rcall') {
      const [, receiver, args] = ast.args;
      if (name === 'bind' && receiver.op === 'id' && receiver.args === 'cel') {
        fail('release.gate_unbounded', ast, source, 'cel.bind() is not available', 'repeat the expression');
      }
      if (comprehensions.has(name)) {
        opaque(receiver, bound, source, nesting);
        const variable = name === 'atLeast' ? args[1] : args[0];
        if (name === 'atLeast' && args[0] !== undefined) opaque(args[0], bound, source, nesting);
        if (variable === undefined) return;
        const inner = bind(variable, bound, source, nesting);
        for (const arg of args.slice(name === 'atLeast' ? 2 : 1)) opaque(arg, inner, source, nesting + 1);
        return;
      }
    }
  }
  for (const child of childrenOf(ast)) opaque(child, bound, source, nesting);
}

function childrenOf(ast: ASTNode): readonly ASTNode[] {
  switch (ast.op) {
    case 'value':
    case 'id':
      return [];
    case '.':
    case '.?':
      return [ast.args[0]];
    case 'call':
      return ast.args[1];
    case 'rcall':
      return [ast.args[1], ...ast.args[2]];
    case 'list':
      return ast.args;
    case 'map':
      return ast.args.flat();
    case '!_':
    case '-_':
      return [ast.args];
    default:
      return ast.args;
  }
}

function isEvidence(ast: ASTNode, bound: readonly string[]): boolean {
  return ast.op === 'id' && !bound.includes(ast.args) && Object.hasOwn(evidenceVariables, ast.args);
}

function bind(
  variable: ASTNode,
  bound: readonly string[],
  source: string,
  nesting: number,
): readonly string[] {
  if (nesting + 1 > maxNesting) {
    const expected = `at most ${maxNesting} nested comprehensions`;
    fail(
      'release.gate_unbounded',
      variable,
      source,
      `expected ${expected}`,
      'split the gate into several gates',
    );
  }
  if (variable.op !== 'id') {
    return fail('release.gate_invalid', variable, source, 'expected a variable name', 'write exists(x, …)');
  }
  return [...bound, variable.args];
}

function refuse(ast: ASTNode, source: string, found: string): never {
  fail(
    'release.gate_not_monotone',
    ast,
    source,
    `evidence may only be asked to exist, found ${found}`,
    'ask for what must be there, for example tests.exists(t, t.passed), never for what must be absent',
  );
}

function fail(code: string, ast: ASTNode, source: string, message: string, hint: string): never {
  throw new Fault('invalid', code, message, { hint, details: positionOf(source, ast.start) });
}

/** Line and column (both from 1) of an offset, as errors of gates carry them. */
export function positionOf(source: string, offset: number): { line: number; column: number; offset: number } {
  const before = source.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1, offset };
}
