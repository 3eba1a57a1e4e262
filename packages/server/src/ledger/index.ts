import type { Migration } from '#platform';
import { logMigration } from './migrations/0001-log.ts';
import { witnessMigration } from './migrations/0002-witness.ts';

export { type EventEntry, stateHashOf } from './events.ts';
export type { LedgerSigner } from './head.ts';
export { createLedger, type EventPage, type Ledger, type LedgerDeps } from './ledger.ts';
export { createAudit } from './outbox.ts';
export type { LogProof } from './proofs.ts';
export { ledgerRoutes } from './routes.ts';
export { tileRoutes } from './tile-routes.ts';
export type { Finding, LedgerReport, VerifyProgress } from './verify/report.ts';
export { witnessRoutes } from './witness/routes.ts';
export { parseVerifierKey, type VerifierKey } from './witness/verifier-key.ts';
export { createWitness, type Witness } from './witness/witness.ts';
export { createWitnessing, type Witnessing } from './witness/witnessing.ts';

export const ledgerMigrations: readonly Migration[] = [logMigration, witnessMigration];
