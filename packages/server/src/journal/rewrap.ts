import { isFault } from '@sallyport/formats';
import type { Findings } from './findings.ts';
import type { Lane } from './lane.ts';
import type { State } from './state.ts';
import type { RecordCipher } from './turn.ts';

/** Moves records to the newest key of their scope, after it was rotated. */
export interface Rewrap {
  /**
   * Seals up to `limit` records under older keys again, as ordinary changes; gives how many. 0: none is left, but for
   * damaged ones, which are findings.
   */
  some(scope: string, limit: number): Promise<number>;
}

export interface RewrapDeps {
  readonly state: State;
  readonly lane: Lane;
  readonly findings: Findings;
  /** Opens the scope with the keys it has now. */
  readonly refreshScope: (scope: string) => Promise<RecordCipher>;
}

/** Records looked at before others get the event loop: at half a microsecond each, two milliseconds. */
const slice = 4000;
/** Records in one decision, of ten microseconds each. */
const perDecision = 250;

export function createRewrap({ state, lane, findings, refreshScope }: RewrapDeps): Rewrap {
  /** Where the walk of each scope stopped, so that a big one is not walked from its beginning at each call. */
  const walks = new Map<string, IterableIterator<[path: string, sealed: Uint8Array]>>();

  /** Up to `limit` paths that are due, none of `tried`; none when a whole walk found none. */
  async function find(
    scope: string,
    cipher: RecordCipher,
    limit: number,
    tried: ReadonlySet<string>,
  ): Promise<readonly string[]> {
    const begun = walks.get(scope);
    const paths: string[] = [];
    const newest = cipher.newestVersion;
    let walk = begun ?? state.records(scope);
    let again = begun !== undefined;
    walks.set(scope, walk);
    for (let looked = 1; paths.length < limit; looked += 1) {
      const { value, done } = walk.next();
      if (done === true) {
        walks.delete(scope);
        // What came before the place where this walk began.
        if (!again || paths.length > 0) break;
        again = false;
        walk = state.records(scope);
        walks.set(scope, walk);
        continue;
      }
      const [path, sealed] = value;
      const due = cipher.keyVersionOf(sealed) < newest;
      if (due && !tried.has(path)) paths.push(path);
      if (looked % slice === 0) await new Promise((next) => setImmediate(next));
    }
    return paths;
  }

  function rewrapAll(scope: string, paths: readonly string[]): number {
    let moved = 0;
    for (const path of paths) {
      try {
        if (state.rewrap(scope, path)) moved += 1;
      } catch (error) {
        if (!isFault(error) || error.kind !== 'integrity') throw error;
        findings.report({
          code: 'journal.record_damaged',
          where: `${scope}:${path}`,
          message: error.message,
        });
      }
    }
    return moved;
  }

  return {
    async some(scope, limit) {
      const cipher = await refreshScope(scope);
      const tried = new Set<string>();
      for (;;) {
        const paths = await find(scope, cipher, limit, tried);
        if (paths.length === 0) return 0;
        for (const path of paths) tried.add(path);
        let moved = 0;
        for (let from = 0; from < paths.length; from += perDecision) {
          const some = paths.slice(from, from + perDecision);
          moved += await lane.run(() => ({ answer: rewrapAll(scope, some), audit: [] }));
        }
        // Nothing but damaged records, or others were faster: the walk goes on behind them, and ends.
        if (moved > 0) return moved;
      }
    },
  };
}
