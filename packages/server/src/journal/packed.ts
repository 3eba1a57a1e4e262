import type { Change } from './record-set.ts';

/** Changes as the store has them: cut into parts, none of which ends inside a change. */
export interface Packed {
  readonly bytes: Buffer;
  /** Where each part ends in `bytes`. */
  readonly ends: readonly number[];
}

/** A row with this much still fits into a page of PostgreSQL; only a change that is larger makes a larger part. */
const partBytes = 7900;
/** What `size` says of a record that is gone. */
const gone = -1;

/** `i32 size, scope, i32 size, path, i32 size, sealed` for each change. A size of -1 is a record that is gone. */
export function pack(changes: readonly Change[]): Packed {
  // A UTF-16 unit takes at most three bytes of UTF-8.
  const most = changes.reduce(
    (sum, { scope, path, sealed }) => sum + 12 + 3 * (scope.length + path.length) + (sealed?.length ?? 0),
    0,
  );
  const bytes = Buffer.allocUnsafe(most);
  const ends: number[] = [];
  let begin = 0;
  let at = 0;
  for (const { scope, path, sealed } of changes) {
    const from = at;
    const scopeBytes = bytes.write(scope, at + 4);
    at = bytes.writeInt32BE(scopeBytes, at) + scopeBytes;
    const pathBytes = bytes.write(path, at + 4);
    at = bytes.writeInt32BE(pathBytes, at) + pathBytes;
    at = bytes.writeInt32BE(sealed?.length ?? gone, at);
    if (sealed !== undefined) {
      bytes.set(sealed, at);
      at += sealed.length;
    }
    if (at - begin > partBytes && from > begin) {
      ends.push(from);
      begin = from;
    }
  }
  if (at > begin) ends.push(at);
  return { bytes: bytes.subarray(0, at), ends };
}

/** What could be read of some parts. */
export interface Unpacked {
  readonly changes: readonly Change[];
  /** False: behind these changes are bytes that `pack` did not write. */
  readonly isWhole: boolean;
}

/** Reads parts. Bytes that are no changes hide what is behind them in their part, and nothing else. */
export function unpack(packed: Buffer): Unpacked {
  const changes: Change[] = [];
  let scope = '';
  let scopeBytes: Buffer = Buffer.alloc(0);
  for (let at = 0; at < packed.length; ) {
    const scopeEnd = endOf(packed, at);
    const pathEnd = scopeEnd === undefined ? undefined : endOf(packed, scopeEnd);
    if (scopeEnd === undefined || pathEnd === undefined || pathEnd + 4 > packed.length)
      return { changes, isWhole: false };
    const bytes = packed.subarray(at + 4, scopeEnd);
    // Neighbours are of one scope mostly: one string for all of them.
    if (!bytes.equals(scopeBytes)) {
      scopeBytes = bytes;
      scope = bytes.toString();
    }
    const path = packed.toString('utf8', scopeEnd + 4, pathEnd);
    if (packed.readInt32BE(pathEnd) === gone) {
      at = pathEnd + 4;
      changes.push({ scope, path, sealed: undefined });
      continue;
    }
    const end = endOf(packed, pathEnd);
    if (end === undefined) return { changes, isWhole: false };
    at = end;
    changes.push({ scope, path, sealed: packed.subarray(pathEnd + 4, at) });
  }
  return { changes, isWhole: true };
}

/** Where the field ends whose size stands at `at`; undefined when there is none. */
function endOf(packed: Buffer, at: number): number | undefined {
  const size = at + 4 <= packed.length ? packed.readInt32BE(at) : gone;
  const end = at + 4 + size;
  return size < 0 || end > packed.length ? undefined : end;
}
