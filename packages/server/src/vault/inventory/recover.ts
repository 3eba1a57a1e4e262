import type { AuditCursor, Journal } from '#journal';
import { identityOf } from '../identity/who.ts';
import { findMetadata } from '../kv/metadata.ts';
import { isVersionedKv, type Mount, scopeOfEnvironment } from '../mounts/mount.ts';
import { mountsOf } from '../mounts/table.ts';
import { below } from '../records.ts';
import { createReaders, readerFrom, roleOf, type Sighting } from './readers.ts';

/** What an audit line says of an answer, as far as it is of use here; see audit/entry.ts. */
interface Line {
  readonly type?: string;
  readonly error?: string;
  readonly auth?: {
    readonly display_name?: string;
    readonly entity_id?: string;
    readonly metadata?: Readonly<Record<string, string>> | null;
  };
  readonly request?: {
    readonly operation?: string;
    readonly path?: string;
    readonly mount_accessor?: string;
  };
  readonly response?: { readonly data?: unknown };
}

/** How many lines are looked at before other work gets its turn. */
const linesAtOnce = 2000;

/**
 * The reads in the audit after a place and before the moment `until`, added up in portions. Versions are hashed there: the one that was current at that
 * time is taken.
 */
export async function* readsAfter(
  journal: Pick<Journal, 'audit' | 'peek' | 'openScope'>,
  after: AuditCursor,
  { portion, until }: { readonly portion: number; readonly until: number },
): AsyncGenerator<readonly Sighting[], void> {
  const readers = createReaders();
  let lines = 0;
  for await (const { line, at } of journal.audit({ after })) {
    if (at >= until) break;
    lines += 1;
    await note(line, at);
    if (lines % linesAtOnce === 0) yield* drain();
  }
  yield* drain();

  function* drain(): Generator<readonly Sighting[], void> {
    while (readers.size > 0) yield readers.take(portion);
  }

  async function note(bytes: Buffer, at: number): Promise<void> {
    // Most lines are none of ours: their bytes say so.
    if (!bytes.includes('"type":"response"') || !bytes.includes('"operation":"read"')) return;
    const { request, response, auth, error } = JSON.parse(bytes.toString('utf8')) as Line;
    const path = request?.path;
    if (path === undefined || error !== undefined || response?.data === undefined) return;
    const mount = journal.peek((turn) => mountsOf(turn).byAccessor(request?.mount_accessor ?? ''));
    if (mount === undefined || mount.type !== 'kv' || !path.startsWith(mount.path)) return;
    const secret = secretOf(mount, path.slice(mount.path.length));
    if (secret === undefined || !hasValue(response.data, mount)) return;
    readers.saw(mount, secret, {
      at,
      version: await versionAt(mount, secret, at),
      reader: readerFrom({
        entityId: auth?.entity_id ?? '',
        entityName: journal.peek((turn) => identityOf(turn, auth?.entity_id ?? '').entity?.name ?? ''),
        role: roleOf(auth?.metadata ?? {}),
        displayName: auth?.display_name ?? '',
      }),
    });
  }

  async function versionAt(mount: Mount, path: string, at: number): Promise<number> {
    if (!isVersionedKv(mount)) return 0;
    const scope = scopeOfEnvironment(mount.environment);
    await journal.openScope(scope);
    const versions = journal.peek(
      (turn) => findMetadata(below(turn.space(scope), `mount/${mount.id}/`), path)?.versions,
    );
    const then = Object.entries(versions ?? {}).filter(([, { createdAt }]) => createdAt <= at);
    return Math.max(0, ...then.map(([version]) => Number(version)));
  }
}

/** The secret whose value a request reads, and nothing for metadata, configuration and lists. */
function secretOf(mount: Mount, path: string): string | undefined {
  if (!isVersionedKv(mount)) return path === '' ? undefined : path;
  return path.startsWith('data/') ? path.slice('data/'.length) : undefined;
}

/** A version that is gone is answered with null for its data. */
function hasValue(data: unknown, mount: Mount): boolean {
  if (typeof data !== 'object' || data === null) return false;
  return !isVersionedKv(mount) || ('data' in data && data.data !== null) || 'elided' in data;
}
