import { createSecretKey } from 'node:crypto';
import type { Turn } from '#journal';
import type { Records } from '../backend.ts';
import { fingerprintsOf } from '../environments/fingerprints.ts';
import { fingerprintKeyPath } from '../first-start.ts';
import { findMetadata, metadataDirectory } from './metadata.ts';
import { forget, forgetPrints, type PlaceOf } from './prints.ts';
import { v1Directory } from './v1.ts';

/** The record at `path` of a mount that was removed is about to go: with it go the places of its values. */
export function forgetSecret(turn: Turn, mount: PlaceOf['mount'], records: Records, path: string): void {
  const call = { turn, mount };
  if (path.startsWith(metadataDirectory)) {
    const name = path.slice(metadataDirectory.length);
    forgetPrints(call, name, findMetadata(records, name)?.versions ?? {}, {});
  } else if (path.startsWith(v1Directory)) {
    const value = records.get(path);
    const key = turn.space('system').get(fingerprintKeyPath);
    if (value === undefined || key === undefined) return;
    for (const print of fingerprintsOf(value, createSecretKey(key)).keys.keys())
      forget(call, path.slice(v1Directory.length), print);
    value.fill(0);
    key.fill(0);
  }
}
