import type { Tx } from '#platform';
import type { Sighting } from './readers.ts';

/** How far this replica's reads are stored: everything in the audit up to here is in the table. */
export interface Position {
  readonly file: number;
  readonly table: number;
}

/** Who read which secret. Written every few seconds, in portions; lost rows come back from the audit (see recover.ts). */
export interface ReaderStore {
  /** Adds reads to what is known; each pair of secret and reader at most once in `sightings`. */
  add(tx: Tx, sightings: readonly Sighting[]): Promise<void>;
  /** As `add`, but of a pair only what is later than what is known, so that it can be repeated. */
  addLater(tx: Tx, sightings: readonly Sighting[]): Promise<void>;
  /** The readers of these secrets, the last ones first. */
  readersOf(tx: Tx, mountId: string, paths: readonly string[]): Promise<readonly Sighting[]>;
  /** Removes readers of a mount that is gone, and those not seen since `before` (milliseconds); gives how many. */
  removeOld(tx: Tx, before: number, limit: number): Promise<number>;
  removeMount(tx: Tx, mountId: string, limit: number): Promise<number>;
  mountIds(tx: Tx): Promise<readonly string[]>;
  setPosition(tx: Tx, replica: string, position: Position, at: number): Promise<void>;
  /** Positions of replicas that have not stored anything since `before`: what they saw afterwards is in the audit only. */
  stoppedPositions(tx: Tx, before: number, except: string): Promise<readonly Position[]>;
  removePositions(tx: Tx, before: number, except: string): Promise<void>;
}
