import { formsOf } from './encodings.ts';
import { createMatcher, type Matcher } from './matcher.ts';

/**
 * Takes every granted secret out of a stream of bytes, whatever the chunks are. The output is the same for every
 * chunking, and holds no secret in any of its forms. Memory is bounded by the longest form, not by the stream.
 */
export interface Mask {
  /** The bytes that are safe to show by now; the rest is held back until it can no longer become a secret. */
  push(chunk: Uint8Array): Uint8Array;
  /** What was held back, at the end of the stream. */
  end(): Uint8Array;
}

export function createMask(secrets: readonly Uint8Array[]): Mask {
  const values = secrets.filter((secret) => secret.length > 0);
  if (values.length === 0) return { push: (chunk) => chunk, end: () => new Uint8Array(0) };
  const forms = formsOf(values);
  return maskFrom(
    createMatcher(forms.exact),
    createMatcher(forms.wrapped),
    replacementFor([...forms.exact, ...forms.wrapped]),
  );
}

/** A stretch of the stream to be replaced, by absolute positions. */
interface Covered {
  start: number;
  end: number;
}

/** At the end of a stream, a secret's beginning of this many bytes is taken out as well. */
const longestBeginning = 8;

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

function maskFrom(exact: Matcher, wrapped: Matcher, replacement: Uint8Array): Mask {
  let exactState = 0;
  let wrappedState = 0;
  /** Bytes read so far; positions count from the start of the stream. */
  let read = 0;
  /** First byte not yet shown or replaced; `held` begins here. */
  let shown = 0;
  let held: Uint8Array = new Uint8Array(0);
  /** End of the last replaced stretch: a match that overlaps it extends it and prints no second replacement. */
  let coveredUntil = 0;
  const covered: Covered[] = [];
  /** Where the last bytes that were no line breaks stood in the stream, by count modulo its length. */
  const positions = new Float64Array(wrapped.longest + 1);
  let unwrapped = 0;

  const cover = (start: number, end: number) => {
    let from = start;
    let to = end;
    for (let last = covered.at(-1); last !== undefined && last.end > from; last = covered.at(-1)) {
      from = Math.min(from, last.start);
      to = Math.max(to, last.end);
      covered.pop();
    }
    covered.push({ start: from, end: to });
  };
  const positionBack = (count: number) => positions[(unwrapped - count) % positions.length] ?? 0;

  const scan = (chunk: Uint8Array) => {
    for (const byte of chunk) {
      exactState = exact.next(exactState, byte);
      read++;
      const length = exact.matchLength(exactState);
      if (length > 0) cover(read - length, read);
      if (byte === lineFeed || byte === carriageReturn) continue;
      wrappedState = wrapped.next(wrappedState, byte);
      positions[unwrapped % positions.length] = read - 1;
      unwrapped++;
      const wrappedLength = wrapped.matchLength(wrappedState);
      if (wrappedLength > 0) cover(positionBack(wrappedLength), read);
    }
  };

  /** Everything before this position is decided: no match that is still open can reach it. */
  const decidedUntil = () => {
    const depth = wrapped.depth(wrappedState);
    const exactOpen = read - exact.depth(exactState);
    return depth === 0 ? exactOpen : Math.min(exactOpen, positionBack(depth));
  };

  const take = (until: number): Uint8Array => {
    const out: Uint8Array[] = [];
    const bytesTo = (position: number) => {
      if (position > shown) out.push(held.subarray(0, position - shown));
      if (position > shown) held = held.subarray(position - shown);
      shown = Math.max(shown, position);
    };
    const skipTo = (position: number) => {
      if (position <= shown) return;
      held = held.subarray(position - shown);
      shown = position;
    };
    skipTo(Math.min(coveredUntil, until));
    while (covered[0] !== undefined && covered[0].start < until) {
      const next = covered[0];
      if (next.start >= coveredUntil) {
        bytesTo(next.start);
        out.push(replacement);
      }
      coveredUntil = Math.max(coveredUntil, next.end);
      skipTo(Math.min(coveredUntil, until));
      covered.shift();
    }
    bytesTo(Math.max(shown, until));
    return out.length === 1 && out[0] !== undefined ? out[0] : Buffer.concat(out);
  };

  return {
    push(chunk) {
      scan(chunk);
      held = held.length === 0 ? Uint8Array.from(chunk) : Buffer.concat([held, chunk]);
      return take(decidedUntil());
    },
    end() {
      // A stream cut in the middle of a secret shows no recognisable beginning of it either.
      const depth = exact.depth(exactState);
      if (depth >= longestBeginning) cover(read - depth, read);
      const wrappedDepth = wrapped.depth(wrappedState);
      if (wrappedDepth >= longestBeginning) cover(positionBack(wrappedDepth), read);
      const rest = take(read);
      exactState = 0;
      wrappedState = 0;
      return rest;
    },
  };
}

/**
 * The replacement shares no byte with any form, where that is possible: else text around it could spell a secret
 * again (`se[secret]cret`), or the replacement could be one.
 */
function replacementFor(forms: readonly Uint8Array[]): Uint8Array {
  const used = new Set<number>();
  for (const form of forms) for (const byte of form) used.add(byte);
  for (const candidate of ['***', '•••', '###', '~~~', '...', '   ']) {
    const bytes = Buffer.from(candidate);
    if (bytes.every((byte) => !used.has(byte))) return Uint8Array.from(bytes);
  }
  for (let byte = 0; byte < 256; byte++) if (!used.has(byte)) return Uint8Array.of(byte);
  return Uint8Array.from(Buffer.from('***'));
}
