import { type Checkpoint, equalBytes, Fault, signCheckpoint, verifyCheckpoint } from '@sallyport/formats';

/** The key that signs checkpoints: Ed25519, from the keyring. */
export interface LedgerSigner {
  readonly keyId: string;
  readonly publicKeySpki: Uint8Array;
  sign(bytes: Uint8Array): Uint8Array;
}

/** Signs and reads the log's own checkpoints, under its one name and key. */
export interface Heads {
  readonly origin: string;
  sign(treeSize: number, rootHash: Uint8Array): string;
  /** The checkpoint in `note`. Only exactly what `sign` gives is taken: one signature, by our key, and nothing else. */
  open(note: string): Checkpoint;
}

export function createHeads(origin: string, signer: LedgerSigner): Heads {
  const key = { name: origin, publicKey: signer.publicKeySpki };
  const sign = (treeSize: number, rootHash: Uint8Array): string =>
    signCheckpoint(
      { origin, treeSize, rootHash },
      origin,
      (bytes) => signer.sign(bytes),
      signer.publicKeySpki,
    );
  return {
    origin,
    sign,
    open(note) {
      const checkpoint = verifyCheckpoint(note, [key]);
      // Ed25519 is deterministic (RFC 8032), so our note has one spelling; signature lines that nobody asked for,
      // which readers pass over, could be added otherwise.
      if (checkpoint.origin !== origin || note !== sign(checkpoint.treeSize, checkpoint.rootHash)) {
        throw new Fault(
          'integrity',
          'ledger.checkpoint',
          'expected a checkpoint as this log signs it, got another',
        );
      }
      return checkpoint;
    },
  };
}

/**
 * What this process has seen of the log. A database that was set back, or that shows another tree of the same size,
 * is refused for as long as the process lives: signing on would fork the log.
 */
export function createMemory(): { check(head: Checkpoint): void; keep(head: Checkpoint): void } {
  let last: Checkpoint | undefined;
  return {
    check(head) {
      if (last === undefined || head.treeSize > last.treeSize) return;
      if (head.treeSize === last.treeSize && equalBytes(head.rootHash, last.rootHash)) return;
      throw new Fault(
        'integrity',
        'ledger.rolled_back',
        `expected the log to extend its tree of ${last.treeSize} entries, got another tree of ${head.treeSize}`,
        {
          hint: 'the database was set back or replaced; restore the newest state and run "sally ledger verify"',
        },
      );
    },
    keep(head) {
      if (last === undefined || head.treeSize > last.treeSize) last = head;
    },
  };
}
