import type { Migration } from '#platform';
import { keysMigration } from './migrations/0001-keys.ts';

export { fileSeal } from './file-seal.ts';
export { createKeyring, type Keyring, type KeyringDeps } from './keyring.ts';
export type { HeldRecord, Holder, RewrappedKey, SealedRecord } from './record.ts';
export { keyringRoutes } from './routes.ts';
export type { ScopeCipher } from './scope-cipher.ts';
export type { Seal } from './seal.ts';
export type { Signer, SignerAlgorithm, SignerName } from './signers.ts';

export const keyringMigrations: readonly Migration[] = [keysMigration];
