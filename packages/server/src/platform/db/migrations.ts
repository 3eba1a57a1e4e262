import { createHash } from 'node:crypto';
import { Fault } from '@sallyport/formats';
import { sql } from 'kysely';
import type { Db, Log, Migration, Tx } from '../ports.ts';

interface Applied {
  readonly name: string;
  readonly checksum: string;
}

// One number for all replicas of an installation; any other use of advisory locks takes another.
const lockKey = 7_270_001;

/**
 * Applies what is missing, in order of name, each in its own transaction together with its record. The lock is taken
 * inside that transaction, so two replicas that start together apply each migration once, and a crash leaves either
 * all of a migration or nothing.
 */
export async function migrate(db: Db, migrations: readonly Migration[], log: Log): Promise<void> {
  const ordered = [...migrations].sort((a, b) => (a.name < b.name ? -1 : 1));
  refuseDuplicates(ordered);
  const applied = await db.write(async (tx) => {
    await lock(tx);
    await sql`CREATE TABLE IF NOT EXISTS platform_migrations (
      name text PRIMARY KEY,
      checksum text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now()
    )`.execute(tx);
    return appliedOf(tx);
  });
  refuseForeign(applied, ordered);
  for (const migration of ordered) {
    if (isApplied(applied, migration)) continue;
    const done = await db.write((tx) => applyOne(tx, migration));
    if (done) log.info({ migration: migration.name }, 'migration applied');
  }
}

export function checksumOf(migration: Migration): string {
  return createHash('sha256').update(migration.sql).digest('hex');
}

async function applyOne(tx: Tx, migration: Migration): Promise<boolean> {
  await lock(tx);
  if (isApplied(await appliedOf(tx), migration)) return false;
  try {
    await sql.raw(migration.sql).execute(tx);
  } catch (error) {
    throw new Fault('internal', 'platform.migration_failed', `migration '${migration.name}' does not apply`, {
      details: { migration: migration.name },
      cause: error,
    });
  }
  await sql`INSERT INTO platform_migrations (name, checksum) VALUES (${migration.name}, ${checksumOf(migration)})`.execute(
    tx,
  );
  return true;
}

async function lock(tx: Tx): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(${lockKey})`.execute(tx);
}

async function appliedOf(tx: Tx): Promise<readonly Applied[]> {
  const { rows } = await sql<Applied>`SELECT name, checksum FROM platform_migrations ORDER BY name`.execute(
    tx,
  );
  return rows;
}

function isApplied(applied: readonly Applied[], migration: Migration): boolean {
  const found = applied.find((row) => row.name === migration.name);
  if (found !== undefined && found.checksum !== checksumOf(migration)) {
    throw new Fault(
      'integrity',
      'platform.migration_changed',
      `migration '${migration.name}' differs from what was applied`,
      {
        hint: 'never edit an applied migration, add a new one',
        details: { expected: found.checksum, got: checksumOf(migration) },
      },
    );
  }
  return found !== undefined;
}

function refuseDuplicates(ordered: readonly Migration[]): void {
  const twice = ordered.find((migration, index) => ordered[index + 1]?.name === migration.name);
  if (twice !== undefined) {
    throw new Fault(
      'internal',
      'platform.migration_twice',
      `expected each migration once, got '${twice.name}' twice`,
    );
  }
}

/** A database that is ahead of the code would be read with the wrong ideas; the older program refuses it. */
function refuseForeign(applied: readonly Applied[], ordered: readonly Migration[]): void {
  const known = new Set(ordered.map((migration) => migration.name));
  const unknown = applied.filter((row) => !known.has(row.name)).map((row) => row.name);
  if (unknown.length > 0) {
    throw new Fault(
      'precondition',
      'platform.database_newer',
      `the database has ${unknown.length} migrations this version does not know`,
      {
        hint: 'start the version that made them, or a later one',
        details: { unknown },
      },
    );
  }
}
