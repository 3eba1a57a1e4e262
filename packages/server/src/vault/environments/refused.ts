import type { Turn } from '#journal';
import { jsonCodec } from '../records.ts';

/** Somebody tried to write a value that another environment has, and was refused. */
export interface RefusedWrite {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly environment: string;
  readonly mountId: string;
  readonly path: string;
  readonly key: string;
  /** As audit names the caller, and the accessor of its token. */
  readonly by: string;
  readonly accessor: string;
  /** The environments that have it. */
  readonly others: readonly string[];
}

const recordPath = 'core/fingerprint-refusals';
const codec = jsonCodec<readonly RefusedWrite[]>(false);
const remembered = 100;
const maxOthers = 8;

export function noteRefused(turn: Turn, refused: RefusedWrite): void {
  const space = turn.space('system');
  const next = { ...refused, others: refused.others.slice(0, maxOthers) };
  space.write(recordPath, codec, [...refusedWrites(turn), next].slice(-remembered));
}

/** The last ones, oldest first. All of them are in the audit. */
export function refusedWrites(turn: Turn): readonly RefusedWrite[] {
  return turn.space('system').read(recordPath, codec) ?? [];
}
