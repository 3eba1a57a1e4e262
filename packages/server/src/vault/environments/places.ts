import { type Codec, type RecordAt, recordIn, type Turn } from '#journal';
import { emptyRecord } from '../records.ts';
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
const recordOf = (print: Print): RecordAt => recordIn('fingerprint/', print);
const sharedDirectory = 'fingerprint-shared/';
const sharedRecord = (print: Print): RecordAt => recordIn(sharedDirectory, print);

type Stored = Readonly<
  Record<string, readonly [count: number, ...places: Array<readonly [string, string, string]>]>
>;

// Kept: what a write brings is looked at again when the secret's last version with it goes.
const codec: Codec<Holding> = {
  kept: true,
  decode(bytes) {
    const stored = JSON.parse(bytes.toString('utf8')) as Stored;
    const holding = new Map<string, Holders>();
    for (const [environment, [count, ...places]] of Object.entries(stored))
      holding.set(environment, {
        count,
        places: places.map(([mountId, path, key]) => ({ mountId, path, key })),
      });
    return holding;
  },
  encode(holding) {
    const stored: Record<string, Stored[string]> = {};
    for (const [environment, { count, places }] of holding)
      stored[environment] = [count, ...places.map(({ mountId, path, key }) => [mountId, path, key] as const)];
    return Buffer.from(JSON.stringify(stored));
  },
};
const nowhere: Holding = new Map();

export function holdingOf(turn: Turn, print: Print): Holding {
  return turn.space('system').read(recordOf(print), codec) ?? nowhere;
}

/** Fingerprints of values that more than one environment holds. */
export function sharedPrints(turn: Turn): readonly Print[] {
  return turn.space('system').list(sharedDirectory);
}

export function isShared(turn: Turn, print: Print): boolean {
  return turn.space('system').has(sharedRecord(print));
}

/** The secret at `place` holds the value now. For a secret that did not: see `remove`. */
export function addPlace(turn: Turn, print: Print, environment: string, place: Place): void {
  const after = new Map(holdingOf(turn, print));
  const here = after.get(environment) ?? { count: 0, places: [] };
  let listed = 0;
  for (const { places } of after.values()) listed += places.length;
  // The first of each environment is always listed.
  const lists = listed < maxListed || here.count === 0;
  after.set(environment, { count: here.count + 1, places: lists ? [...here.places, place] : here.places });
  write(turn, print, after);
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
  const shared = sharedRecord(print);
  if (holding.size === 0) space.delete(recordOf(print));
  else space.write(recordOf(print), codec, holding);
  if (holding.size > 1) {
    if (!space.has(shared)) space.put(shared, emptyRecord());
  } else if (space.has(shared)) space.delete(shared);
}
