import {
  consistencyPath,
  emptyRootHash,
  encodeEntryBundle,
  Fault,
  proofHashes,
  tileWidth,
} from '@sallyport/formats';
import type { Audit, AuditedTable, Clock, Db, Ids, Json, Log, Tx } from '#platform';
import { type EventEntry, readEntry, stateHashOf } from './events.ts';
import { createHeads, type LedgerSigner } from './head.ts';
import { type AppendedEvidence, createOutbox } from './outbox.ts';
import { createProofs, type LogProof } from './proofs.ts';
import { createPump } from './pump.ts';
import { createSequencer } from './sequencer.ts';
import { ledgerStore } from './store.pg.ts';
import type { LedgerStore } from './store.ts';
import { nodeReader, tilesOfProof } from './tree.ts';
import type { LedgerReport, VerifyProgress } from './verify/report.ts';
import { createVerifier } from './verify/verifier.ts';
import { verifierKeyOf } from './witness/verifier-key.ts';

export interface EventPage {
  /** Newest first. */
  readonly events: ReadonlyArray<EventEntry & { readonly leafIndex: number }>;
  /** Pass as `before` for the next page; absent at the end. */
  readonly next?: number;
}

/** An entry with its place. */
export interface PlacedEntry {
  readonly entryId: string;
  readonly leafIndex: number;
  readonly body: Uint8Array;
}

/** The append-only Merkle log of everything that happened, and of all evidence. */
export interface Ledger extends Audit {
  /**
   * Adds a leaf whose bytes are `body` exactly, in the caller's transaction, and gives its id. The same body again is
   * the same entry. At most 65535 bytes; what is larger is logged by its digest.
   */
  appendEvidence(tx: Tx, body: Uint8Array): Promise<string>;
  /** Adds many leaves in one statement; says of each whether it is new to the log. */
  appendAllEvidence(tx: Tx, bodies: readonly Uint8Array[]): Promise<readonly AppendedEvidence[]>;
  /** An entry that has a place, by its id or by the place. */
  findEntry(where: string | number): Promise<PlacedEntry | undefined>;
  /**
   * The proof that a committed entry is in the log, checked. Waits for its place, running a batch itself; concurrent
   * callers share batches. Must not be called inside a transaction.
   */
  proofFor(entryId: string): Promise<LogProof>;
  /** Gives one batch of pending entries their places; how many it handled. Any replica may, at any time. */
  integrate(): Promise<number>;
  /** Integrates in the background until `stop`, which waits for the batch that runs. */
  start(): void;
  stop(): Promise<void>;
  /** What witnesses and monitors are given to know the log by: `name+hash+base64` (c2sp.org/signed-note). */
  readonly verifierKey: string;
  /** The newest signed checkpoint (c2sp.org/tlog-checkpoint). */
  checkpoint(): Promise<string>;
  /** The first `width` hashes of a tile, or `undefined` while the tree has not grown that far. */
  tile(level: number, index: number, width: number): Promise<Uint8Array | undefined>;
  /** The first `width` entries of a bundle, or `undefined` while the tree has not grown that far. */
  entryBundle(index: number, width: number): Promise<Uint8Array | undefined>;
  /** That the tree of `first` entries is a prefix of the tree of `second`. */
  consistencyProof(first: number, second: number): Promise<readonly Uint8Array[]>;
  /** Events of one resource that have a place, newest first. `limit` is at most 500. */
  eventsOf(resource: string, limit: number, before?: number): Promise<EventPage>;
  /**
   * Whether `state` is what was last recorded of a resource, pending entries included, as the transaction sees them.
   * For rows that decide something: whoever changed one past the server is refused at once, not at the next `verify`.
   */
  agrees(tx: Tx, resource: string, state: Json): Promise<boolean>;
  /**
   * Replays the whole log and compares it with itself, with every checkpoint, and with the tables. Reads page by page
   * while the ledger goes on; differences are findings, not throws. `remembered` are checkpoints that were kept
   * outside of the database: only they can show that the whole database was set back.
   */
  verify(
    tables: readonly AuditedTable[],
    onProgress?: (progress: VerifyProgress) => void,
    remembered?: readonly string[],
  ): Promise<LedgerReport>;
}

export interface LedgerDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly signer: LedgerSigner;
  /** Name of the log in its checkpoints, a URL without a scheme: `sallyport.example.com/ledger`. Never changes. */
  readonly origin: string;
  readonly log: Log;
  /** How long `proofFor` waits; 20 when absent, which Sigstore's clients allow. */
  readonly waitSeconds?: number;
}

const maxPage = 500;
/** Nearly every event of what decides something has a state; the newest few are enough to find the last one. */
const lookedBack = 20;

export function createLedger(deps: LedgerDeps): Ledger {
  return createLedgerOn(ledgerStore, deps);
}

/** The ledger on another store; tests make each write fail with it. */
export function createLedgerOn(store: LedgerStore, deps: LedgerDeps): Ledger {
  const { db, log } = deps;
  const outbox = createOutbox(store, deps);
  const heads = createHeads(deps.origin, deps.signer);
  const { integrate } = createSequencer({ db, store, heads, log });
  const pump = createPump(integrate, log);
  const proofs = createProofs({ db, store, heads, integrate, waitSeconds: deps.waitSeconds ?? 20 });
  const verifier = createVerifier({ db, store, heads });

  return {
    verifierKey: verifierKeyOf(deps.origin, 'log', deps.signer.publicKeySpki).text,
    async record(tx, event) {
      await outbox.record(tx, event);
      pump.nudge();
    },
    async appendEvidence(tx, body) {
      const entryId = await outbox.appendEvidence(tx, body);
      pump.nudge();
      return entryId;
    },
    async appendAllEvidence(tx, bodies) {
      const appended = await outbox.appendAllEvidence(tx, bodies);
      pump.nudge();
      return appended;
    },
    findEntry: (where) =>
      db.read(async (tx) => {
        if (typeof where === 'string') return (await store.findEntries(tx, [where]))[0];
        const [entry] = await store.listEntries(tx, where, 1);
        return entry?.leafIndex === where ? entry : undefined;
      }),
    proofFor: (entryId) => proofs.proofFor(entryId),
    integrate,
    start: () => pump.start(),
    stop: () => pump.stop(),
    async checkpoint() {
      const last = await db.read((tx) => store.lastCheckpoint(tx));
      return last?.note ?? heads.sign(0, emptyRootHash());
    },
    async tile(level, index, width) {
      requireWidth(width);
      const [tile] = await db.read((tx) => store.findTiles(tx, [{ level, index }]));
      return tile !== undefined && tile.hashes.length >= width * 32
        ? tile.hashes.slice(0, width * 32)
        : undefined;
    },
    async entryBundle(index, width) {
      requireWidth(width);
      const first = index * tileWidth;
      const entries = await db.read((tx) => store.listEntries(tx, first, width));
      if (entries.length < width || entries.some((entry, i) => entry.leafIndex !== first + i))
        return undefined;
      return encodeEntryBundle(entries.map((entry) => entry.body));
    },
    consistencyProof: (first, second) =>
      db.read(async (tx) => {
        const size = (await store.headSize(tx, false)) ?? 0;
        if (second > size) {
          throw new Fault(
            'invalid',
            'ledger.tree_range',
            `expected a tree of at most ${size} entries, got ${second}`,
          );
        }
        const path = consistencyPath(first, second);
        return proofHashes(path, nodeReader(await store.findTiles(tx, tilesOfProof(path))));
      }),
    async eventsOf(resource, limit, before = Number.MAX_SAFE_INTEGER) {
      const size = Math.max(1, Math.min(limit, maxPage));
      const rows = await db.read((tx) => store.listByResource(tx, resource, before, size + 1));
      const page = rows.slice(0, size);
      const last = page.at(-1);
      const events = page.flatMap(({ leafIndex, body }) => {
        const entry = readEntry(body);
        return entry.kind === 'event' ? [{ ...entry.event, leafIndex }] : [];
      });
      return rows.length > size && last !== undefined ? { events, next: last.leafIndex } : { events };
    },
    agrees: async (tx, resource, state) => {
      const bodies = [
        ...(await store.listPendingOf(tx, resource)).map((entry) => entry.body),
        ...(await store.listByResource(tx, resource, Number.MAX_SAFE_INTEGER, lookedBack)).map(
          (row) => row.body,
        ),
      ];
      for (const body of bodies) {
        const entry = readEntry(body);
        // The column beside the body could lie; and an event without a state says nothing about it.
        if (entry.resource !== resource) return false;
        if (entry.kind === 'event' && entry.event.stateHash !== undefined)
          return entry.event.stateHash === stateHashOf(state);
      }
      return false;
    },
    verify: (tables, onProgress, remembered) => verifier.verify(tables, onProgress, remembered),
  };
}

function requireWidth(width: number): void {
  if (!Number.isInteger(width) || width < 1 || width > tileWidth) {
    throw new Fault('invalid', 'ledger.tile_width', `expected a width of 1 to ${tileWidth}, got ${width}`);
  }
}
