import { readFile, rename, writeFile } from 'node:fs/promises';
import { Fault, parseStrictJson } from '@sallyport/formats';

/**
 * What this server last saw of the database, kept outside of it. A database that says less than that is an old copy
 * that was put back: revoked tokens would be valid in it again, and deleted secrets be there.
 *
 * KNOWN LIMIT: it is as young as the last `archive`; a database put back to a state after that is not noticed, nor one
 * that other replicas brought beyond it again.
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
  try {
    const { epoch, clock } = objectOf(parseStrictJson(text, { maxBytes: 4096 }));
    if (isCount(epoch) && isCount(clock)) return { epoch, clock };
  } catch (error) {
    throw damaged(path, error);
  }
  throw damaged(path);
}

/** Replaces the file as a whole: a crash leaves the one before, which asks for less. */
export async function writeAnchor(path: string, { epoch, clock }: Anchor): Promise<void> {
  // Replicas that share the directory must not take each other's draft away.
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, JSON.stringify({ epoch, clock }), { mode: 0o600, flush: true });
  await rename(draft, path);
}

/** Throws `journal.rolled_back` when the database is older than what this server has seen of it. */
export function requireNotRolledBack(
  anchor: Anchor | undefined,
  epoch: number,
  accepted: number | undefined,
): void {
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

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function damaged(path: string, cause?: unknown): Fault {
  return new Fault(
    'integrity',
    'journal.anchor_damaged',
    `expected the last state seen in "${path}", got something else`,
    { hint: 'restore the file; without it an older database would not be noticed', cause },
  );
}
