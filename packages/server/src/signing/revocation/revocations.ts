import {
  canonicalJson,
  describeRevocation,
  digestOf,
  Fault,
  maxRevocations,
  parseCheckpoint,
  parseStrictJson,
  parseTrustRoot,
  predicateTypes,
  type Revocation,
  type RevocationEntry,
  type Revocations as RevocationList,
  type RevocationTarget,
  readPredicate,
  revocationsSubject,
  utf8,
  type VerifiedRevocations,
  verifyRevocations,
} from '@sallyport/formats';
import type { Ledger } from '#ledger';
import type { Actor, Audit, AuditedTable, Clock, Db, Ids, Json, Tx } from '#platform';
import type { Signing } from '../evidence.ts';
import { revocationStore as store } from './store.pg.ts';
import type { IssuedList } from './store.ts';

export interface RevocationsDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly ledger: Pick<Ledger, 'agrees' | 'checkpoint' | 'eventsOf'>;
  readonly signing: Signing;
  /** How long a list speaks for the present; it is renewed after a quarter of that. */
  readonly validSeconds: number;
}

/** The newest list as everybody gets it: signed, in the log, and verified here first. */
export interface CurrentRevocations extends VerifiedRevocations {
  readonly bundle: string;
}

export interface RevokeRequest {
  readonly target: RevocationTarget;
  /** Withdraws only what was signed from here on; everything when absent. */
  readonly from?: Date;
  readonly reason: string;
}

/** What this installation withdrew, as one signed list that verifiers and agents hold and judge by. */
export interface Revocations {
  /** Resolves when the list with the entry is signed and in the log. After a throw, `current` finishes what was begun. */
  revoke(actor: Actor, request: RevokeRequest): Promise<RevocationEntry>;
  /** Ends an entry for what is signed from now on; what it withdrew stays so. A digest is given back. */
  restore(actor: Actor, id: string, reason: string): Promise<RevocationEntry>;
  /**
   * The newest list; issues the first one and renews one that is due. Cheap while nothing changes. Throws rather than
   * give an older one: nobody decides on a list that may lack an entry.
   */
  current(): Promise<CurrentRevocations>;
}

const resource = 'revocations/list';

/** Two writes per list: the list with its audit event, then its seal. A crash between them is finished by `current`. */
export function createRevocations(deps: RevocationsDeps): Revocations {
  const { db, audit, clock, ids, ledger, signing, validSeconds } = deps;
  const { installation } = signing.identityUris;
  let last: CurrentRevocations | undefined;

  /** Adds what `add` gives to the newest list, under the next number, in one transaction with its audit event. */
  async function issue(
    actor: Pick<Actor, 'kind' | 'id'>,
    add: Addition,
  ): Promise<RevocationEntry | undefined> {
    return db.write(async (tx) => {
      await store.lock(tx);
      const before = await newestRecorded(tx);
      const entries = before?.entries ?? [];
      const entry = await add(tx, entries);
      if (entry === undefined && before !== undefined && !isDue(before)) return undefined;
      if (entry !== undefined && entries.length >= maxRevocations) {
        throw new Fault(
          'exhausted',
          'signing.revocations_full',
          `expected at most ${maxRevocations} entries in the revocation list, it has that many`,
          {
            hint: 'a compromised signer is one entry: revoke the builder, identity or certificate, not each digest',
          },
        );
      }
      const now = clock.now();
      const list: RevocationList = {
        installation,
        sequence: (before?.sequence ?? 0) + 1,
        issuedAt: now.toISOString(),
        nextUpdate: new Date(now.getTime() + validSeconds * 1000).toISOString(),
        entries: entry === undefined ? entries : [...entries, entry],
      };
      const issued = {
        sequence: list.sequence,
        predicate: canonicalJson(readPredicate('revocations', list)),
      };
      await store.replace(tx, issued);
      await audit.record(tx, {
        type: entry === undefined ? 'signing.revocations.renewed' : typeOf(entry),
        actor: { kind: actor.kind, id: actor.id },
        resource,
        state: stateOf(issued),
        detail: {
          sequence: list.sequence,
          nextUpdate: list.nextUpdate,
          ...(entry === undefined ? {} : { id: entry.id, what: summaryOf(entry), reason: entry.reason }),
        },
      });
      return entry;
    });
  }

  /** The row decides what is withdrawn: one that was set back or changed past the server is not built upon. */
  async function newestRecorded(tx: Tx): Promise<RevocationList | undefined> {
    const issued = await store.newest(tx);
    if (issued === undefined) return undefined;
    if (!(await ledger.agrees(tx, resource, stateOf(issued)))) throw altered();
    return readPredicate('revocations', parseStrictJson(issued.predicate));
  }

  function isDue({ issuedAt }: RevocationList): boolean {
    return clock.now().getTime() - Date.parse(issuedAt) >= (validSeconds * 1000) / 4;
  }

  async function seal(
    predicate: RevocationList,
    known: CurrentRevocations | undefined,
  ): Promise<CurrentRevocations> {
    const evidence = await signing.seal({
      key: `revocations/${predicate.sequence}`,
      subject: revocationsSubject(installation),
      predicateType: predicateTypes.revocations,
      predicate,
    });
    const trust = parseTrustRoot(await signing.trustRoot());
    return { ...verifyRevocations(evidence.bundle, trust, known), bundle: evidence.bundle };
  }

  async function current(): Promise<CurrentRevocations> {
    // As it is now: what is read from here on is as new at least, and only what another caller learns meanwhile is newer.
    const known = last;
    const sequence = await db.read((tx) => store.newestSequence(tx));
    if (last !== undefined && last.list.sequence === sequence && !isDue(last.list)) return last;
    // A server that once issued a list and has none now was set back: it does not begin anew with an empty one.
    if (
      sequence === undefined &&
      (last !== undefined || (await ledger.eventsOf(resource, 1)).events.length > 0)
    )
      throw altered();
    await issue(systemIssuer, async () => undefined);
    const newest = await db.read((tx) => newestRecorded(tx));
    if (newest === undefined)
      throw new Fault('internal', 'signing.no_revocations', 'expected a list, found none');
    const sealed = await seal(newest, known);
    // Another caller may have come further meanwhile.
    if (last === undefined || last.list.sequence < sealed.list.sequence) last = sealed;
    return sealed;
  }

  async function logSize(): Promise<number> {
    return parseCheckpoint(await ledger.checkpoint()).treeSize;
  }

  function baseOf({ id, name }: Actor, reason: string) {
    return {
      id: ids.next('rev'),
      reason,
      by: { id, name: name.slice(0, 300) },
      at: clock.now().toISOString(),
    };
  }

  return {
    async revoke(actor, { target, from, reason }) {
      if (from !== undefined) requireFrom(target, from, clock.now());
      await current();
      // Before the evidence is looked at: what is placed meanwhile has an index at or above it.
      const size = await logSize();
      const entry = await issue(actor, async (tx, entries) => {
        requireNew(entries, target);
        const first = from && (await store.firstIndexSince(tx, from));
        const logIndex = Math.min(size, first ?? size);
        return {
          ...baseOf(actor, reason),
          target,
          from: from === undefined ? 'all' : { at: from.toISOString(), logIndex },
        };
      });
      await current();
      return made(entry);
    },
    async restore(actor, id, reason) {
      await current();
      const logIndex = await logSize();
      const entry = await issue(actor, async (_tx, entries) => {
        requireRevocation(entries, id);
        return { ...baseOf(actor, reason), restores: id, from: { at: clock.now().toISOString(), logIndex } };
      });
      await current();
      return made(entry);
    },
    current,
  };
}

function altered(): Fault {
  return new Fault(
    'integrity',
    'signing.revocations_altered',
    'expected the revocation list to be as it was recorded, got another',
    { hint: 'it was changed past the server: run "sally ledger verify" and restore it from a backup' },
  );
}

type Addition = (tx: Tx, entries: readonly RevocationEntry[]) => Promise<RevocationEntry | undefined>;

const systemIssuer = { kind: 'system', id: 'system' } as const;

function made(entry: RevocationEntry | undefined): RevocationEntry {
  if (entry === undefined)
    throw new Fault('internal', 'signing.no_revocation', 'expected an entry, made none');
  return entry;
}

function requireFrom(target: RevocationTarget, from: Date, now: Date): void {
  if (from > now) {
    throw new Fault(
      'invalid',
      'signing.revocation_future',
      `expected an instant that has passed, got ${from.toISOString()}`,
      { hint: 'an entry withdraws from its instant on; one to come would withdraw nothing until then' },
    );
  }
  if (target.kind === 'digest') {
    throw new Fault('invalid', 'signing.revocation_digest', 'expected no instant for a digest, got one', {
      hint: 'a digest is withdrawn as a whole',
    });
  }
}

function requireNew(entries: readonly RevocationEntry[], target: RevocationTarget): void {
  const restored = new Set(entries.flatMap((each) => ('restores' in each ? [each.restores] : [])));
  const known = entries.find(
    (each): each is Revocation =>
      'target' in each &&
      each.from === 'all' &&
      !restored.has(each.id) &&
      canonicalJson(each.target) === canonicalJson(target),
  );
  if (known === undefined) return;
  throw new Fault(
    'conflict',
    'signing.already_revoked',
    `expected something not revoked yet, got ${describeRevocation(known)}`,
    { hint: 'nothing is left to do; sally revocations list shows it' },
  );
}

function requireRevocation(entries: readonly RevocationEntry[], id: string): void {
  const known = entries.some((each) => each.id === id && 'target' in each);
  const restored = entries.some((each) => 'restores' in each && each.restores === id);
  if (known && !restored) return;
  throw new Fault(
    known ? 'conflict' : 'not_found',
    known ? 'signing.already_restored' : 'signing.revocation_unknown',
    `expected the id of a revocation that stands, got ${id}`,
    { hint: 'sally revocations list' },
  );
}

function typeOf(entry: RevocationEntry): string {
  return 'restores' in entry ? 'signing.revocation.restored' : 'signing.revocation.issued';
}

function summaryOf(entry: RevocationEntry): string {
  return 'restores' in entry ? `restores ${entry.restores}` : canonicalJson(entry.target);
}

function stateOf({ sequence, predicate }: IssuedList): Json {
  return { sequence, predicate: digestOf(utf8(predicate)) };
}

/** The list as the ledger last heard of it. */
export function revocationsAudited(): AuditedTable {
  return {
    kind: 'revocations',
    states: async (tx) => {
      const issued = await store.newest(tx);
      return issued === undefined ? [] : [[resource, stateOf(issued)] as const];
    },
  };
}
