import { readFile } from 'node:fs/promises';
import { Fault, parseStrictJson } from '@sallyport/formats';

/**
 * What this server last saw of the database, kept outside of it. A database that says less than that is an old copy
 * that was put back: revoked tokens would be valid in it again, and deleted secrets be there.
 */
export interface Anchor {
  readonly epoch: number;
  readonly clock: number;
}

export async function readAnchor(path: string): Promise<Anchor | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const value = parseStrictJson(text, { maxBytes: 4096 });
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw damaged(path);
  const { epoch, clock } = value as Record<string, unknown>;
  if (!Number.isSafeInteger(epoch) || !Number.isSafeInteger(clock)) throw damaged(path);
  // Checked right above.
  return { epoch: epoch as number, clock: clock as number };
}

/** Throws `journal.rolled_back` when the database is older than what this server has seen of it. */
export function requireNotRolledBack(anchor: Anchor | undefined, epoch: number, accepted: number | undefined): void {
  if (anchor === undefined || epoch >= anchor.epoch || accepted === epoch) return;
  throw new Fault(
    'integrity',
    'journal.rolled_back',
    `expected a database at state ${anchor.epoch} or later, as this server has seen it, got state ${epoch}`,
    {
      hint: `an older copy of the database was put back, in which revoked tokens hold again; if you did that on purpose, start once with --accept-restored-state ${epoch}, which is recorded`,
    },
  );
}

function damaged(path: string): Fault {
  return new Fault('integrity', 'journal.anchor_damaged', `expected the last state seen in "${path}", got something else`);
}
