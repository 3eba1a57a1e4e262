import type { Tx } from '#platform';
import type { Token } from './token.ts';

/** Tokens, by hash and by accessor. Rows are never removed, only revoked: the ledger names them. */
export interface TokenStore {
  insert(tx: Tx, token: Token): Promise<void>;
  findByHash(tx: Tx, hash: Uint8Array): Promise<Token | undefined>;
  find(tx: Tx, accessor: string): Promise<Token | undefined>;
  /** Sets `revokedAt` unless it is set. Whether this call did it. */
  revoke(tx: Tx, accessor: string, at: Date): Promise<boolean>;
  touch(tx: Tx, accessor: string, at: Date): Promise<void>;
  /** All, or those of one principal, oldest first. */
  list(tx: Tx, principalId?: string): Promise<Token[]>;

  insertBootstrap(tx: Tx, hash: Uint8Array, expiresAt: Date): Promise<void>;
  findBootstrap(tx: Tx, hash: Uint8Array): Promise<{ readonly expiresAt: Date } | undefined>;
  clearBootstrap(tx: Tx): Promise<void>;
}
