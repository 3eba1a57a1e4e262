import type { Page } from './store.ts';

type Found = Page['changes'][number];

/** What `size` says of a record that has no bytes in a page. */
const gone = -1;

/**
 * Reads a page that the database packed into one value: `i32 size, scope, i32 size, path, i32 size, sealed` for each
 * record. A size of -1 is a record that is gone, -2 - n a record of n bytes that was left out.
 */
export function unpack(packed: Buffer): Page {
  const changes: Found[] = [];
  const large: Array<Page['large'][number]> = [];
  let scope = '';
  let scopeBytes: Buffer = Buffer.alloc(0);
  for (let at = 0; at < packed.length; ) {
    const scopeEnd = at + 4 + packed.readInt32BE(at);
    const bytes = packed.subarray(at + 4, scopeEnd);
    // Neighbours are of one scope mostly: one string for all of them.
    if (!bytes.equals(scopeBytes)) {
      scopeBytes = bytes;
      scope = bytes.toString();
    }
    const pathEnd = scopeEnd + 4 + packed.readInt32BE(scopeEnd);
    const path = packed.toString('utf8', scopeEnd + 4, pathEnd);
    const size = packed.readInt32BE(pathEnd);
    at = pathEnd + 4 + Math.max(0, size);
    if (size >= 0) changes.push({ scope, path, sealed: packed.toString('latin1', pathEnd + 4, at) });
    else if (size === gone) changes.push({ scope, path, sealed: undefined });
    else large.push({ scope, path, sizeBytes: -2 - size });
  }
  return { changes, large };
}
