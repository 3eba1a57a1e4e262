import type { Turn } from '#journal';
import { emptyRecord, jsonCodec } from '../records.ts';
import type { Print } from './fingerprints.ts';

/** A secret that holds a value, and under which of its keys the value was seen first. */
export interface Place {
  readonly mountId: string;
  readonly path: string;
  readonly key: string;
}

/** Who holds a value in one environment. */
export interface Holders {
  readonly count: number;
  /** Not all of them when there are many: see `maxListed`. */
  readonly places: readonly Place[];
}

/** Holders by environment; none is empty. */
export type Holding = ReadonlyMap<string, Holders>;

/** Of all environments together: a default password of a thousand secrets must not make a record of a megabyte. */
const maxListed = 16;

/**
 * Where fingerprints are, in the system's scope, so that they can be compared across environments: they are keyed hashes,
 * under a key that no environment has.
 *
 * - `fingerprint/<print>`: its holders by environment. Flat, for a directory for each would take more memory than it.
 * - `fingerprint-shared/<print>`: it is in more than one environment.
 */
const recordPath = (print: Print): string => `fingerprint/${print}`;
const sharedDirectory = 'fingerprint-shared/';

type Stored = Readonly<
  Record<string, readonly [count: number, ...places: Array<readonly [string, string, string]>]>
>;

// Not kept decoded: there are as many as values, and each is looked at when its value is written.
const codec = jsonCodec<Stored>(false);

export function holdingOf(turn: Turn, print: Print): Holding {
  const stored = turn.space('system').read(recordPath(print), codec) ?? {};
  return new Map(
    Object.entries(stored).map(([environment, [count, ...places]]) => [
      environment,
      { count, places: places.map(([mountId, path, key]) => ({ mountId, path, key })) },
    ]),
  );
}

/** Fingerprints of values that more than one environment holds. */
export function sharedPrints(turn: Turn): readonly Print[] {
  return turn.space('system').list(sharedDirectory);
}

export function isShared(turn: Turn, print: Print): boolean {
  return turn.space('system').has(sharedDirectory + print);
}

/** The secret at `place` holds the value now. For a secret that did not: see `remove`. */
export function addPlace(turn: Turn, print: Print, environment: string, place: Place): void {
  const before = holdingOf(turn, print);
  const listed = [...before.values()].reduce((sum, { places }) => sum + places.length, 0);
  const here = before.get(environment) ?? { count: 0, places: [] };
  // The first of each environment is always listed.
  const lists = listed < maxListed || here.count === 0;
  write(
    turn,
    print,
    new Map([
      ...before,
      [environment, { count: here.count + 1, places: lists ? [...here.places, place] : here.places }],
    ]),
  );
}

/** The secret holds the value no more. Called once for each `addPlace`: places that are not listed are only counted. */
export function removePlace(
  turn: Turn,
  print: Print,
  environment: string,
  { mountId, path }: Pick<Place, 'mountId' | 'path'>,
): void {
  const before = holdingOf(turn, print);
  const here = before.get(environment);
  if (here === undefined) return;
  const places = here.places.filter((each) => each.mountId !== mountId || each.path !== path);
  const after = new Map(before);
  if (here.count <= 1) after.delete(environment);
  else after.set(environment, { count: here.count - 1, places });
  write(turn, print, after);
}

function write(turn: Turn, print: Print, holding: Holding): void {
  const space = turn.space('system');
  const shared = sharedDirectory + print;
  if (holding.size === 0) space.delete(recordPath(print));
  else {
    const stored: Stored = Object.fromEntries(
      [...holding].map(([environment, { count, places }]) => [
        environment,
        [count, ...places.map(({ mountId, path, key }) => [mountId, path, key] as const)] as const,
      ]),
    );
    space.write(recordPath(print), codec, stored);
  }
  if (holding.size > 1) {
    if (!space.has(shared)) space.put(shared, emptyRecord());
  } else if (space.has(shared)) space.delete(shared);
}
