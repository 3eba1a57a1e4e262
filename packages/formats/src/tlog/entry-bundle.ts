import { Fault } from '../fault.ts';
import { tileWidth } from './tiles.ts';

/** The largest entry an entry bundle can hold; what is larger is logged by its digest. */
export const maxEntryBytes = 0xffff;

/** 1 to 256 entries, each behind its length as a big-endian uint16 (c2sp.org/tlog-tiles). */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.length < 1 || entries.length > tileWidth) throw refused(`${entries.length} entries`);
  let sizeBytes = 0;
  for (const entry of entries) {
    if (entry.length > maxEntryBytes) throw refused(`an entry of ${entry.length} bytes`);
    sizeBytes += 2 + entry.length;
  }
  const bundle = new Uint8Array(sizeBytes);
  let at = 0;
  for (const entry of entries) {
    bundle[at] = entry.length >> 8;
    bundle[at + 1] = entry.length & 0xff;
    bundle.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return bundle;
}

/** Reads an entry bundle to its end; a cut or an overlong bundle is refused. */
export function decodeEntryBundle(bundle: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at < bundle.length) {
    const high = bundle[at];
    const low = bundle[at + 1];
    if (high === undefined || low === undefined) throw refused('a cut length');
    const end = at + 2 + high * 256 + low;
    if (end > bundle.length) throw refused('a cut entry');
    if (entries.length === tileWidth) throw refused('more entries');
    entries.push(bundle.slice(at + 2, end));
    at = end;
  }
  if (entries.length === 0) throw refused('none');
  return entries;
}

function refused(got: string): Fault {
  return new Fault(
    'invalid',
    'formats.entry_bundle',
    `expected an entry bundle of 1 to ${tileWidth} entries of at most ${maxEntryBytes} bytes, got ${got}`,
  );
}
