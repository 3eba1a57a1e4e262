import type { Migration } from '#platform';
import { keysMigration } from './migrations/0001-keys.ts';
import { recoveryMigration } from './migrations/0002-recovery.ts';

export { fileSeal } from './file-seal.ts';
export { createKeyring, type Keyring, type KeyringDeps } from './keyring.ts';
export type { Initialised, InitialiseOptions, KeyringStatus } from './lifecycle.ts';
export type { HeldRecord, Holder, RewrappedKey, SealedRecord } from './record.ts';
export { keyringRoutes } from './routes.ts';
export type { ScopeCipher } from './scope-cipher.ts';
export type { Seal } from './seal.ts';
export { createSeal, type SealConfig, type SealDeps } from './seals/create-seal.ts';
export type { Quorum, QuorumStatus } from './seals/quorum.ts';
export type { Rekey, RekeyOptions, RekeyStatus, RekeyStep } from './seals/rekey.ts';
export { parseSeal } from './seals/seal-text.ts';
export { parseShare } from './seals/share-text.ts';
export type { Signer, SignerAlgorithm, SignerName } from './signers.ts';

export const keyringMigrations: readonly Migration[] = [keysMigration, recoveryMigration];
