import {
  type CheckpointKey,
  equalBytes,
  Fault,
  fromBase64,
  leafHash,
  parseStrictJson,
  tileWidth,
  toBase64,
  verifyCheckpoint,
} from '@sallyport/formats';
import type { LogReader } from './log-reader.ts';
import { appended, countPeaks, emptyRange, type Range, rootOf } from './range.ts';
import { names, signatureIn } from './signatures.ts';

/** What was seen of a log last, and all that is needed to go on from there. */
export interface Seen extends Range {
  /** The checkpoint as it was served: with another that does not extend it, the proof of a fork. */
  readonly note: string;
}

export type Alarm =
  | { readonly alarm: 'fork'; readonly remembered: string; readonly served: string }
  | { readonly alarm: 'rewritten_entry'; readonly index: number; readonly checkpoint: string }
  | {
      readonly alarm: 'unknown_signature';
      readonly index: number;
      readonly identity: string;
      readonly digest: string;
    };

export interface WatchOptions {
  /** Exact names in certificates; whatever they sign must be in `known`. Reads all new entries. */
  readonly identities: readonly string[];
  /** Hexadecimal digests of what we signed. */
  readonly known: ReadonlySet<string>;
  /** Reads the log from its first entry again, and compares each entry with its hash. */
  readonly again: boolean;
}

export interface Watched {
  /** Undefined when nothing may be remembered of this look: the old state stays. */
  readonly seen: Seen | undefined;
  readonly treeSize: number;
  readonly alarms: readonly Alarm[];
}

/** One look at a log. Throws when it cannot be read; what it shows that must not be is an alarm. */
export async function lookAt(
  log: LogReader,
  key: CheckpointKey,
  before: Seen | undefined,
  options: WatchOptions,
): Promise<Watched> {
  const note = await log.checkpoint();
  const head = verifyCheckpoint(note, [key]);
  const alarms: Alarm[] = [];
  const fork: Alarm = { alarm: 'fork', remembered: before?.note ?? '', served: note };
  const older = before !== undefined && head.treeSize < before.size;
  // Of an older tree than the remembered one both roots are computed anew: it may come from a cache, or be another log.
  const readsAgain = options.again || older;
  const end = Math.max(head.treeSize, older ? before.size : 0);
  let range: Range = readsAgain || before === undefined ? emptyRange : before;
  const fits = (): boolean => {
    const rememberedFits = range.size !== before?.size || equalBytes(rootOf(range), rootOf({ ...before }));
    return rememberedFits && (range.size !== head.treeSize || equalBytes(rootOf(range), head.rootHash));
  };
  if (!fits()) return { seen: undefined, treeSize: head.treeSize, alarms: [fork] };
  const wantsEntries = options.identities.length > 0 || options.again;
  while (range.size < end) {
    const index = Math.floor(range.size / tileWidth);
    const width = Math.min(tileWidth, end - index * tileWidth);
    const hashes = await log.leafHashes(index, width);
    const entries = wantsEntries ? await log.entries(index, width) : [];
    for (let i = range.size % tileWidth; i < width; i += 1) {
      const [hash, entry] = [hashes[i], entries[i]];
      if (hash === undefined)
        throw new Fault('internal', 'cli.log_tile', 'a tile was shorter than asked for');
      const place = index * tileWidth + i;
      if (entry !== undefined && !equalBytes(leafHash(entry), hash)) {
        alarms.push({ alarm: 'rewritten_entry', index: place, checkpoint: note });
      } else if (entry !== undefined) {
        alarms.push(...unknownSignatures(entry, place, options));
      }
      range = appended(range, hash);
      if (!fits()) return { seen: undefined, treeSize: head.treeSize, alarms: [...alarms, fork] };
    }
  }
  const rewritten = alarms.some(({ alarm }) => alarm === 'rewritten_entry');
  return {
    seen: older || rewritten ? undefined : { ...range, note },
    treeSize: head.treeSize,
    alarms,
  };
}

function unknownSignatures(entry: Uint8Array, index: number, options: WatchOptions): Alarm[] {
  const signature = options.identities.length === 0 ? undefined : signatureIn(entry);
  if (signature === undefined || options.known.has(signature.digest)) return [];
  return options.identities
    .filter((identity) => names(signature.certificate, identity))
    .map((identity) => ({ alarm: 'unknown_signature', index, identity, digest: signature.digest }));
}

/** The text of a state file. */
export function writeSeen({ size, peaks, note }: Seen): string {
  return `${JSON.stringify({ v: 1, size, peaks: peaks.map(toBase64), note })}\n`;
}

/** Reads a state file back; it must agree with the checkpoint in it, which the log's key signed. */
export function readSeen(text: string, key: CheckpointKey): Seen {
  const value = parseStrictJson(text, { maxBytes: 256 * 1024 });
  // Every member is checked right below.
  const { v, size, peaks, note } = value as Readonly<Record<string, unknown>>;
  if (v === 1 && typeof size === 'number' && Array.isArray(peaks) && typeof note === 'string') {
    const head = verifyCheckpoint(note, [key]);
    const seen = { size, peaks: peaks.map((peak) => fromBase64(String(peak))), note };
    const whole = head.treeSize === size && seen.peaks.length === countPeaks(size);
    if (whole && equalBytes(rootOf(seen), head.rootHash)) return seen;
  }
  throw new Fault('integrity', 'cli.log_state', 'expected the state of this log, got another document', {
    hint: 'name another file, or remove it: what was seen before is then forgotten',
  });
}
