import type { Actor, Tx } from '#platform';
import { decryptFailed } from '../faults.ts';
import { provenSeal } from '../root-draft.ts';
import type { Roots } from '../roots.ts';
import type { Seal } from '../seal.ts';
import type { SealedRoot } from '../store.ts';
import type { Recovery } from './recovery.ts';
import { isShareSeal, type ShareKey, type ShareSeal } from './share-seal.ts';

const system: Pick<Actor, 'kind' | 'id'> = { kind: 'system', id: 'system' };

/** Which of the configured seals has the root, and whether it has to move. */
export type Holding =
  | { readonly kind: 'current' }
  /** Under the previous seal, which a machine opens; the new one is opened by a machine too. */
  | { readonly kind: 'move' }
  /** Under shares, while the new seal is opened by a machine: the move waits for the shares. */
  | { readonly kind: 'move-with-shares' }
  /** Under the previous seal, while the new one is of shares: a rekey makes and proves the shares, then it moves. */
  | { readonly kind: 'rekey' }
  | { readonly kind: 'foreign' };

export function holdingOf(row: SealedRoot, seal: Seal, previous: Seal | undefined): Holding {
  const mayHold = (one: Seal): boolean =>
    one.kind === row.sealKind && (isShareSeal(one) || (one.holds?.(row.sealed) ?? true));
  if (mayHold(seal)) return { kind: 'current' };
  if (previous === undefined || !mayHold(previous)) return { kind: 'foreign' };
  if (isShareSeal(previous)) return { kind: 'move-with-shares' };
  return isShareSeal(seal) ? { kind: 'rekey' } : { kind: 'move' };
}

/**
 * Moves the root key from one seal to another: opened with the old one, sealed with the new one, opened again to prove
 * it, and stored in one transaction. Killed before the commit, the old seal opens it; afterwards the new one does.
 */
export async function migrate(
  roots: Roots,
  row: SealedRoot,
  from: Seal,
  to: Seal,
  more?: (tx: Tx, at: Date, root: { readonly version: number; readonly key: SecretBytesOf }) => Promise<void>,
): Promise<void> {
  const key = await from.unwrap(row.sealed);
  try {
    const sealed = await provenSeal(to, key);
    await roots.reseal(row, { sealKind: to.kind, sealed }, system, async (tx, at) => {
      await more?.(tx, at, { version: row.version, key });
    });
  } finally {
    key.wipe();
  }
}

type SecretBytesOf = Awaited<ReturnType<Seal['unwrap']>>;

/**
 * From shares to a machine: the shares stay with their holders as recovery shares, so that a root token still needs
 * several of them.
 */
export async function migrateFromShares(
  roots: Roots,
  row: SealedRoot,
  from: ShareSeal,
  key: ShareKey,
  to: Seal,
  recovery: Recovery,
): Promise<void> {
  if (!key.isOf(row.sealed)) throw decryptFailed();
  from.use(key);
  try {
    await migrate(roots, row, from, to, (tx, at, root) =>
      recovery.replace(tx, key.bytes, key.split, root, at, system),
    );
  } finally {
    from.wipe();
  }
}
