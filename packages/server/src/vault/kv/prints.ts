import type { Call } from '../backend.ts';
import { fingerprintsOf, type Print, type Prints, printLength } from '../environments/fingerprints.ts';
import { removePlace } from '../environments/places.ts';
import type { VersionMetadata } from './metadata.ts';

/**
 * Each version carries the fingerprints of its values, one after the other, so that it is known without decrypting
 * anything when the last version that held a value is gone.
 */

type Versions = Readonly<Record<string, VersionMetadata>>;

export function printsIn(versions: Versions): ReadonlySet<Print> {
  const all = new Set<Print>();
  for (const version of Object.values(versions)) for (const print of split(version.prints)) all.add(print);
  return all;
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
  const left = printsIn(after);
  for (const print of printsIn(before)) if (!left.has(print)) forget(call, path, print);
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
