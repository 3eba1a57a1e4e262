/** Where a value stands in a document: `['build', 'steps', 0, 'run']`. */
export type KeyPath = readonly (string | number)[];

/** One thing that is wrong with a definition. `offset` is the character in the text it is about. */
export interface Problem {
  readonly path: KeyPath;
  readonly offset: number;
  readonly expected: string;
  readonly found: string;
  readonly hint?: string;
}

/** `build.steps[0].run`; keys that are no plain names are quoted, so that a hostile key cannot fake a path. */
export function formatPath(path: KeyPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (!/^[A-Za-z0-9_-]{1,80}$/.test(part)) text += `[${quote(part)}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text;
}

/** A value as one short line for people; control characters are escaped, so that it cannot forge terminal output. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  const line = text.replace(/[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
  return line.length > 80 ? `${line.slice(0, 77)}…"` : line;
}

/** The candidate a person most likely meant, or undefined when none is near. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > 64) return undefined;
  const folded = fold(word);
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 2.5)) + 1;
  for (const candidate of candidates) {
    const distance = fold(candidate) === folded ? 0 : editDistance(folded, fold(candidate));
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

const fold = (word: string): string => word.toLowerCase().replaceAll(/[-_ ]/g, '');

/** Optimal string alignment distance: insertions, deletions, changes and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const now = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      const left = now[column - 1] ?? 0;
      const up = last[column] ?? 0;
      const diagonal = last[column - 1] ?? 0;
      let cost = Math.min(left + 1, up + 1, diagonal + (same ? 0 : 1));
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, (beforeLast[column - 2] ?? 0) + 1);
      }
      now.push(cost);
    }
    beforeLast = last;
    last = now;
  }
  return last[b.length] ?? 0;
}
