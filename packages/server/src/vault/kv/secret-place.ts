import type { RecordAt } from '#journal';
import type { Call } from '../backend.ts';
import { badRequest } from '../errors.ts';
import { metadataDirectory, valuePath } from './metadata.ts';

interface Kept {
  readonly metadata: RecordAt;
  /** Of the version that was asked for last: mostly the current one. */
  version: number;
  value: RecordAt | undefined;
}

/** By what the route matched, which is one object as long as the route is remembered. */
const kept = new WeakMap<Call['params'], Kept>();

/** The secret's path, which is not empty. */
export function pathOf({ params }: Pick<Call, 'params'>): string {
  const path = params['path'] ?? '';
  if (path === '') throw badRequest('missing path');
  return path;
}

/** Where the metadata of the secret is that the call names. */
export function metadataPlace(call: Call): RecordAt {
  return placesOf(call).metadata;
}

/** Where a version of its value is. */
export function valuePlace(call: Call, version: number): RecordAt {
  const places = placesOf(call);
  if (places.value === undefined || places.version !== version) {
    places.version = version;
    places.value = call.store.at('', valuePath(pathOf(call), version));
  }
  return places.value;
}

function placesOf(call: Call): Kept {
  let places = kept.get(call.params);
  if (places === undefined) {
    places = { metadata: call.store.at(metadataDirectory, pathOf(call)), version: 0, value: undefined };
    kept.set(call.params, places);
  }
  return places;
}
