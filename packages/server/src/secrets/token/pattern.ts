/**
 * Patterns of native rules, below one environment: literal segments, `+` for one segment, and at the end a segment that
 * ends with `*` for any rest. See identity/policy/rules.ts.
 */

/**
 * What is left of the rule's pattern behind `secrets/<project>/<environment>/`, for the environment at `place`
 * (`secrets/<project>/<environment>`). `undefined` when it matches nothing below.
 */
export function patternBelow(pattern: string, place: readonly string[]): string | undefined {
  const segments = pattern.split('/');
  for (const [index, wanted] of segments.entries()) {
    const found = place[index];
    if (found === undefined) return segments.slice(index).join('/');
    if (index === segments.length - 1 && wanted.endsWith('*'))
      return found.startsWith(wanted.slice(0, -1)) ? '*' : undefined;
    if (wanted !== '+' && wanted !== found) return undefined;
  }
  return undefined;
}

/** Whether some path matches both. */
export function overlap(one: string, other: string): boolean {
  const [a, b] = [one.split('/'), other.split('/')];
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const [left, right] = [a[index], b[index]];
    if (left === undefined || right === undefined) return false;
    const [leftEnds, rightEnds] = [isRest(a, index), isRest(b, index)];
    if (leftEnds || rightEnds) return meet(left, right, leftEnds, rightEnds);
    if (left !== right && left !== '+' && right !== '+') return false;
  }
  return true;
}

/** Whether every path that matches `inner` matches `outer`. */
export function covers(outer: string, inner: string): boolean {
  const [a, b] = [outer.split('/'), inner.split('/')];
  for (const [index, wanted] of a.entries()) {
    const found = b[index];
    if (found === undefined) return false;
    if (isRest(a, index)) {
      const prefix = wanted.slice(0, -1);
      if (found === '+') return prefix === '';
      return (isRest(b, index) ? found.slice(0, -1) : found).startsWith(prefix);
    }
    if (isRest(b, index)) return false;
    if (wanted !== '+' && wanted !== found) return false;
  }
  return a.length === b.length;
}

function meet(left: string, right: string, leftEnds: boolean, rightEnds: boolean): boolean {
  if (left === '+' || right === '+') return true;
  const [one, other] = [leftEnds ? left.slice(0, -1) : left, rightEnds ? right.slice(0, -1) : right];
  if (leftEnds && rightEnds) return one.startsWith(other) || other.startsWith(one);
  return leftEnds ? other.startsWith(one) : one.startsWith(other);
}

function isRest(segments: readonly string[], index: number): boolean {
  return index === segments.length - 1 && segments[index]?.endsWith('*') === true;
}
