import { Fault } from '../fault.ts';

/*
 * A pattern of a policy is written by one person and matched against a name that another chose. The engine of
 * JavaScript backtracks: `(a+)+$` and thirty characters of a certificate hold it for minutes. This one keeps all states
 * it could be in at once (Thompson's construction), so that a match costs at most states times characters.
 */

type Test = (character: number) => boolean;
type Step =
  | { readonly kind: 'take'; readonly test: Test; next: number }
  | { readonly kind: 'split'; readonly next: number[] }
  | { readonly kind: 'accept' };

const maxPattern = 500;
const maxStates = 2000;
const maxDepth = 20;

/** A pattern that was read. */
export interface Pattern {
  /** Whether the whole of `text` matches, never a part: `https://ok/` must not be found inside another's name. */
  matches(text: string): boolean;
}

/**
 * Reads a regular expression in the common subset: literals, `.`, classes, `\d \w \s`, groups, `|`, `* + ?`, counts up
 * to 100, and `^ $` at the ends, where they change nothing. At most 500 characters. Anything else is refused.
 */
export function parsePattern(source: string): Pattern {
  if (source.length > maxPattern) throw refused(`at most ${maxPattern} characters`, String(source.length));
  const builder = new Builder(unanchored(source));
  const { steps, start } = builder.program();
  return { matches: (text) => run(steps, start, text) };
}

function unanchored(source: string): string {
  const from = source.startsWith('^') ? source.slice(1) : source;
  const escaped = /(?:^|[^\\])(?:\\\\)*\\\$$/.test(from);
  return from.endsWith('$') && !escaped ? from.slice(0, -1) : from;
}

function run(steps: readonly Step[], start: number, text: string): boolean {
  let now = closure(steps, [start]);
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const next: number[] = [];
    for (const index of now) {
      const step = steps[index];
      if (step?.kind === 'take' && step.test(code)) next.push(step.next);
    }
    if (next.length === 0) return false;
    now = closure(steps, next);
  }
  return [...now].some((index) => steps[index]?.kind === 'accept');
}

function closure(steps: readonly Step[], from: readonly number[]): ReadonlySet<number> {
  const seen = new Set<number>();
  const left = [...from];
  for (let index = left.pop(); index !== undefined; index = left.pop()) {
    if (seen.has(index)) continue;
    seen.add(index);
    const step = steps[index];
    if (step?.kind === 'split') left.push(...step.next);
  }
  return seen;
}

/** Reads a pattern from the right end of the program to the left: each part is told where to go on. */
class Builder {
  readonly #source: string;
  readonly #steps: Step[] = [{ kind: 'accept' }];
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  program(): { readonly steps: readonly Step[]; readonly start: number } {
    const part = this.#choice(0);
    if (this.#at !== this.#source.length) throw this.#refused('the end');
    return { start: part(0), steps: this.#steps };
  }

  /** A part of the pattern: given the state behind it, makes its states and says where it begins. */
  #choice(depth: number): (next: number) => number {
    if (depth > maxDepth) throw this.#refused(`at most ${maxDepth} groups inside each other`);
    const branches = [this.#sequence(depth)];
    while (this.#take('|')) branches.push(this.#sequence(depth));
    const [only] = branches;
    if (branches.length === 1 && only !== undefined) return only;
    return (next) => this.#add({ kind: 'split', next: branches.map((branch) => branch(next)) });
  }

  #sequence(depth: number): (next: number) => number {
    const parts: ((next: number) => number)[] = [];
    while (this.#at < this.#source.length && !'|)'.includes(this.#source[this.#at] ?? '')) {
      parts.push(this.#repeated(this.#atom(depth)));
    }
    return (next) => parts.reduceRight((behind, part) => part(behind), next);
  }

  #repeated(part: (next: number) => number): (next: number) => number {
    const [least, most] = this.#count();
    if ('*+?{'.includes(this.#source[this.#at] ?? ' '))
      throw this.#refused('one repetition, without "?" behind it');
    if (least === 1 && most === 1) return part;
    return (next) => {
      let start = next;
      if (most === undefined) {
        const loop = this.#add({ kind: 'split', next: [] });
        const step = this.#steps[loop];
        const body = part(loop);
        if (step?.kind === 'split') step.next.push(body, next);
        start = loop;
      } else {
        for (let i = least; i < most; i++) start = this.#add({ kind: 'split', next: [part(start), next] });
      }
      for (let i = 0; i < least; i++) start = part(start);
      return start;
    };
  }

  #count(): readonly [number, number | undefined] {
    if (this.#take('*')) return [0, undefined];
    if (this.#take('+')) return [1, undefined];
    if (this.#take('?')) return [0, 1];
    if (!this.#take('{')) return [1, 1];
    const [whole, low, comma, high] = /^(\d{1,3})(,?)(\d{0,3})\}/.exec(this.#source.slice(this.#at)) ?? [];
    if (whole === undefined) throw this.#refused('a count like {2}, {2,} or {2,5}');
    this.#at += whole.length;
    const least = Number(low);
    const most = comma === '' ? least : high === '' ? undefined : Number(high);
    if (least > 100 || (most !== undefined && (most > 100 || most < least)))
      throw this.#refused('a count up to 100');
    return [least, most];
  }

  #atom(depth: number): (next: number) => number {
    const character = this.#next();
    if (character === '(') {
      if (this.#take('?') && !this.#take(':')) throw this.#refused('a group ( or (?:');
      const inner = this.#choice(depth + 1);
      if (!this.#take(')')) throw this.#refused('a closing parenthesis');
      return inner;
    }
    if ('*+?{^$'.includes(character)) throw this.#refused(`"${character}" escaped or in its place`);
    const test = character === '[' ? this.#class() : character === '.' ? notNewline : this.#single(character);
    return (next) => this.#add({ kind: 'take', test, next });
  }

  #single(character: string): Test {
    if (character === '\\') return this.#escape();
    const code = character.codePointAt(0);
    return (other) => other === code;
  }

  #escape(): Test {
    const letter = this.#next();
    const named = classes[letter];
    if (named !== undefined) return named;
    // A letter or digit behind a backslash means something in other engines that it would not mean here.
    if (/[A-Za-z0-9]/.test(letter)) throw this.#refused('an escape of punctuation, or \\d \\w \\s');
    const code = letter.codePointAt(0);
    return (other) => other === code;
  }

  #class(): Test {
    const negated = this.#take('^');
    const tests: Test[] = [];
    for (let first = true; first || this.#source[this.#at] !== ']'; first = false) {
      const character = this.#next();
      if (character === '[' || (first && character === ']'))
        throw this.#refused('"[" and "]" escaped in a class');
      const low = character.codePointAt(0) ?? 0;
      if (character !== '\\' && this.#source[this.#at] === '-' && this.#source[this.#at + 1] !== ']') {
        this.#at++;
        const high = this.#next().codePointAt(0) ?? 0;
        if (high < low || high === 0x5c) throw this.#refused('a range from low to high');
        tests.push((code) => code >= low && code <= high);
      } else {
        tests.push(this.#single(character));
      }
    }
    this.#at++;
    return (code) => tests.some((test) => test(code)) !== negated;
  }

  #next(): string {
    const character = this.#source.codePointAt(this.#at);
    if (character === undefined) throw this.#refused('more');
    const text = String.fromCodePoint(character);
    this.#at += text.length;
    return text;
  }

  #take(mark: string): boolean {
    if (this.#source[this.#at] !== mark) return false;
    this.#at++;
    return true;
  }

  #add(step: Step): number {
    if (this.#steps.length >= maxStates) throw refused(`a pattern of at most ${maxStates} steps`, 'more');
    return this.#steps.push(step) - 1;
  }

  #refused(expected: string): Fault {
    return refused(
      `${expected} at character ${this.#at} of the pattern`,
      JSON.stringify(this.#source.slice(this.#at, this.#at + 10)),
    );
  }
}

const notNewline: Test = (code) => code !== 0x0a;
const digit: Test = (code) => code >= 0x30 && code <= 0x39;
const word: Test = (code) =>
  digit(code) || code === 0x5f || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
const space: Test = (code) => code === 0x20 || (code >= 9 && code <= 13);
const classes: Readonly<Record<string, Test>> = { d: digit, w: word, s: space };

function refused(expected: string, got: string): Fault {
  return new Fault('invalid', 'formats.pattern', `expected ${expected}, got ${got}`);
}
