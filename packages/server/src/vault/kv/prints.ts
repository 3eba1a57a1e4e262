import type { Call } from '../backend.ts';
import { fingerprintsOf, type Print, type Prints, printLength } from '../environments/fingerprints.ts';
import { removePlace } from '../environments/places.ts';
import type { VersionMetadata } from './metadata.ts';

/**
 * Each version carries the fingerprints of its values, one after the other, so that it is known without decrypting
 * anything when the last version that held a value is gone.
 */

type Versions = Readonly<Record<string, VersionMetadata>>;

/** More are looked up in a set of all; to make one for a few of them would take longer than to look at each version. */
const few = 8;

/** Those of `among` that one of the versions holds. */
export function heldIn(versions: Versions, among: readonly Print[]): ReadonlySet<Print> {
  const texts = Object.values(versions).map(({ prints }) => prints ?? '');
  if (among.length <= few)
    return new Set(among.filter((print) => texts.some((prints) => contains(prints, print))));
  const all = new Set(texts.flatMap(split));
  return new Set(among.filter((print) => all.has(print)));
}

function contains(prints: string, print: Print): boolean {
  for (let at = prints.indexOf(print); at >= 0; at = prints.indexOf(print, at + 1))
    if (at % printLength === 0) return true;
  return false;
}

export function printsText(prints: Prints): string {
  return [...prints.keys.keys()].join('');
}

export function split(prints = ''): readonly Print[] {
  const all: Print[] = [];
  for (let at = 0; at < prints.length; at += printLength) all.push(prints.slice(at, at + printLength));
  return all;
}

/** The secret has the versions `after` in place of `before`: what no version of it holds any more is forgotten. */
export function forgetPrints(call: PlaceOf, path: string, before: Versions, after: Versions): void {
  for (const print of printsGone(before, after)) forget(call, path, print);
}

export function printsGone(before: Versions, after: Versions): readonly Print[] {
  // What a version has as before is held by it still.
  const changed = Object.entries(before).filter(([version, { prints }]) => after[version]?.prints !== prints);
  const maybe = [...new Set(changed.flatMap(([, { prints }]) => split(prints)))];
  if (maybe.length === 0) return [];
  const held = heldIn(after, maybe);
  return maybe.filter((print) => !held.has(print));
}

/** For secrets without versions, which carry no fingerprints: those of a value that is about to go. */
export function printsOfValue(call: Pick<Call, 'core' | 'store'>, record: string): Prints | undefined {
  const value = call.store.get(record);
  if (value === undefined) return undefined;
  try {
    return fingerprintsOf(value, call.core.fingerprintKey);
  } finally {
    value.fill(0);
  }
}

export type PlaceOf = Pick<Call, 'turn'> & { readonly mount: Pick<Call['mount'], 'id' | 'environment'> };

export function forget(call: PlaceOf, path: string, print: Print): void {
  removePlace(call.turn, print, call.mount.environment, { mountId: call.mount.id, path });
}
