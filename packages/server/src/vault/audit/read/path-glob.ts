/**
 * `*` stands for any characters, slashes too, as at the end of a policy's path; `+` alone between slashes for one
 * segment. Compared without a regular expression, in time of the lengths multiplied at the worst: a pattern comes
 * from a client, and the filter bounds it.
 */
export function matchesPath(pattern: string, path: string): boolean {
  let p = 0;
  let t = 0;
  /** Where the last `*` stands, and how far it has eaten. */
  let star = -1;
  let eaten = 0;
  while (t < path.length) {
    if (pattern[p] === '*') {
      star = p++;
      eaten = t;
    } else if (isSegment(pattern, p) && path[t] !== '/' && (t === 0 || path[t - 1] === '/')) {
      const end = path.indexOf('/', t);
      t = end < 0 ? path.length : end;
      p++;
    } else if (pattern[p] === path[t] && !isSegment(pattern, p)) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++eaten;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

function isSegment(pattern: string, at: number): boolean {
  if (pattern[at] !== '+' || (at > 0 && pattern[at - 1] !== '/')) return false;
  return at + 1 === pattern.length || pattern[at + 1] === '/';
}
