import type { DriftFinding } from '@sallyport/contract';

/** The drift of one service: what is wrong now, and what was and is mended. */
export interface Findings {
  /** Replaces all present findings of these kinds by what was seen just now. */
  see(
    kinds: ReadonlyArray<DriftFinding['kind']>,
    seen: ReadonlyArray<Omit<DriftFinding, 'at' | 'corrected'>>,
  ): void;
  /** The present ones of these kinds were put right. */
  corrected(kinds: ReadonlyArray<DriftFinding['kind']>): void;
  /** Whether anything is wrong now. */
  any(): boolean;
  list(): DriftFinding[];
}

/** Mended findings are told this long, so that a report that got lost loses none. */
const rememberMilliseconds = 300_000;
const maxFindings = 200;
const maxText = 300;

export function createFindings(clock: { now(): Date }): Findings {
  let present: DriftFinding[] = [];
  let mended: DriftFinding[] = [];

  return {
    see(kinds, seen) {
      const others = present.filter(({ kind }) => !kinds.includes(kind));
      const fresh = seen.map((each): DriftFinding => {
        const cut = {
          ...each,
          expected: each.expected.slice(0, maxText),
          found: each.found.slice(0, maxText),
        };
        const known = present.find(
          ({ kind, path, found }) => kind === cut.kind && path === cut.path && found === cut.found,
        );
        // The time is when it was first seen.
        return known ?? { ...cut, at: clock.now().toISOString(), corrected: false };
      });
      present = [...others, ...fresh].slice(0, maxFindings);
    },
    corrected(kinds) {
      const now = present.filter(({ kind }) => kinds.includes(kind));
      present = present.filter(({ kind }) => !kinds.includes(kind));
      mended = [...mended, ...now.map((each) => ({ ...each, corrected: true }))].slice(-maxFindings);
    },
    any: () => present.length > 0,
    list() {
      const oldest = clock.now().getTime() - rememberMilliseconds;
      mended = mended.filter(({ at }) => Date.parse(at) >= oldest);
      return [...present, ...mended].slice(0, maxFindings);
    },
  };
}
