import type { Clock } from '#platform';
import { jsonText } from '../json-text.ts';

export interface LineBatch {
  readonly lines: readonly Buffer[];
  written(): void;
  lost(error: unknown): void;
  /** To the front, in order. */
  putBack(): void;
}

interface Entry {
  readonly lines: readonly Buffer[];
  readonly bytes: number;
  /** How many lines are missing if this entry is lost: its own, or those its gap line stands for. */
  readonly stands: number;
  readonly gap: boolean;
  readonly settle: ((error: unknown) => void) | undefined;
}

export interface LineQueue {
  /** False, and counted, when there is no room. `settle` hears once what became of the lines. */
  put(lines: readonly Buffer[], settle?: (error: unknown) => void): boolean;
  /**
   * The next lines up to `maxBytes`, or one entry of more; undefined when nothing waits. A gap behind which nothing
   * waits is told only when `healthy`: to a device that just failed it would be told, and lost, without end.
   */
  take(maxBytes: number, healthy: boolean): LineBatch | undefined;
  waiting(): boolean;
  bytes(): number;
  /** All lines that were lost so far. */
  dropped(): number;
}

/**
 * Lines in order up to a bound of bytes. What is newest is dropped when it is full, so that the log has one gap and not
 * many; the gap is told by a line at its place.
 */
export function createLineQueue(name: string, maxBytes: number, clock: Clock): LineQueue {
  let entries: Entry[] = [];
  let bytes = 0;
  let dropped = 0;
  /** Dropped and not told yet. */
  let untold = 0;
  let since = '';

  function drop(lines: number): void {
    if (lines === 0) return;
    if (untold === 0) since = clock.now().toISOString();
    untold += lines;
  }

  function push(entry: Entry): void {
    entries.push(entry);
    bytes += entry.bytes;
  }

  function tellGap(): void {
    if (untold === 0) return;
    const now = clock.now().toISOString();
    const line = Buffer.from(
      `{"time":"${now}","type":"gap","device":${jsonText(name)},"dropped":${untold},"since":"${since}"}\n`,
    );
    push({ lines: [line], bytes: line.length, stands: untold, gap: true, settle: undefined });
    untold = 0;
  }

  return {
    put(lines, settle) {
      let size = 0;
      for (const line of lines) size += line.length;
      if (bytes + size > maxBytes) {
        dropped += lines.length;
        drop(lines.length);
        return false;
      }
      tellGap();
      push({ lines, bytes: size, stands: lines.length, gap: false, settle });
      return true;
    },
    take(maxBatchBytes, healthy) {
      if (entries.length === 0 && healthy) tellGap();
      const first = entries[0];
      if (first === undefined) return undefined;
      let count = 1;
      let size = first.bytes;
      for (let next = entries[count]; next !== undefined && size + next.bytes <= maxBatchBytes; ) {
        size += next.bytes;
        next = entries[++count];
      }
      const taken = entries.slice(0, count);
      entries = entries.slice(count);
      // What is with the device still takes memory, so it still counts until it is settled.
      return {
        lines: taken.flatMap((entry) => entry.lines),
        written() {
          bytes -= size;
          for (const entry of taken) entry.settle?.(undefined);
        },
        lost(error) {
          bytes -= size;
          for (const entry of taken) {
            if (!entry.gap) dropped += entry.lines.length;
            drop(entry.stands);
            entry.settle?.(error ?? new Error('lost'));
          }
        },
        putBack() {
          entries = [...taken, ...entries];
        },
      };
    },
    waiting: () => entries.length > 0,
    bytes: () => bytes,
    dropped: () => dropped,
  };
}
