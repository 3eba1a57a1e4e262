import { SecretBytes } from '@sallyport/formats';
import type { Actor, Audit, Tx } from '#platform';
import { nonceSizeBytes, unwrapKey, wrapKey } from '../aead.ts';
import { recoveryResource, recoveryState } from '../audited.ts';
import { recoveryData } from '../binding.ts';
import type { Entropy } from '../entropy.ts';
import { decryptFailed } from '../faults.ts';
import type { KeyringStore, WrappedRecovery } from '../store.ts';
import type { Split } from './shamir.ts';

interface Root {
  readonly version: number;
  readonly key: SecretBytes;
}

/**
 * The recovery key: where a machine opens the seal, the holders of its shares still have to agree before a root token
 * is made. It protects nothing itself, so it lies under the root key and moves with it.
 */
export interface Recovery {
  find(tx: Tx): Promise<WrappedRecovery | undefined>;
  /** The key, which the caller wipes. Throws `keyring.decrypt_failed` for a row that was changed. */
  open(row: WrappedRecovery, root: Root): SecretBytes;
  /** Makes `key` the recovery key in place of the one before. */
  replace(
    tx: Tx,
    key: SecretBytes,
    split: Split,
    root: Root,
    at: Date,
    actor: Pick<Actor, 'kind' | 'id'>,
  ): Promise<void>;
  /** Moves it to a new root key. */
  rewrap(tx: Tx, from: Root, to: Root): Promise<void>;
  /** There is none any more. */
  remove(tx: Tx, actor: Pick<Actor, 'kind' | 'id'>): Promise<void>;
}

export function createRecovery(store: KeyringStore, entropy: Entropy, audit: Audit): Recovery {
  function open(row: WrappedRecovery, root: Root): SecretBytes {
    const aad = recoveryData(row.shares, row.threshold, row.rootVersion);
    const opened =
      row.rootVersion === root.version ? unwrapKey(root.key.expose(), aad, row.wrapped) : undefined;
    if (opened === undefined) throw decryptFailed();
    const key = SecretBytes.from(opened);
    opened.fill(0);
    return key;
  }

  async function put(tx: Tx, key: SecretBytes, split: Split, root: Root, createdAt: Date): Promise<void> {
    const aad = recoveryData(split.shares, split.threshold, root.version);
    const wrapped = wrapKey(root.key.expose(), entropy.bytes(nonceSizeBytes), aad, key.expose());
    await store.putRecovery(tx, { ...split, rootVersion: root.version, wrapped, createdAt });
  }

  return {
    find: (tx) => store.findRecovery(tx),
    open,
    async replace(tx, key, { shares, threshold }, root, createdAt, actor) {
      await put(tx, key, { shares, threshold }, root, createdAt);
      const state = recoveryState(shares, threshold, createdAt);
      await audit.record(tx, { type: 'keyring.recovery.replaced', actor, resource: recoveryResource, state });
    },
    async rewrap(tx, from, to) {
      const row = await store.findRecovery(tx);
      if (row === undefined) return;
      const key = open(row, from);
      await put(tx, key, { shares: row.shares, threshold: row.threshold }, to, row.createdAt);
      key.wipe();
    },
    async remove(tx, actor) {
      if ((await store.findRecovery(tx)) === undefined) return;
      await store.deleteRecovery(tx);
      const event = { type: 'keyring.recovery.removed', actor, resource: recoveryResource, state: null };
      await audit.record(tx, event);
    },
  };
}
