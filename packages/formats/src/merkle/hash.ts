import { sha256 } from '../crypto/sha256.ts';

const leafPrefix = Uint8Array.of(0);
const nodePrefix = Uint8Array.of(1);

/** Hash of an entry (RFC 9162 §2.1.1); the prefixes keep a node from being passed off as a leaf. */
export function leafHash(entry: Uint8Array): Uint8Array {
  return sha256(leafPrefix, entry);
}

/** Hash of an inner node. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(nodePrefix, left, right);
}

/** The root of the empty tree. */
export function emptyRootHash(): Uint8Array {
  return sha256();
}

/**
 * The Merkle tree hash over leaf hashes, by the definition of RFC 9162 §2.1.1. Linear in the leaves: the reference
 * that proofs and tiles are tested against, and the way small trees are hashed.
 */
export function rootFromLeaves(leafHashes: readonly Uint8Array[]): Uint8Array {
  if (leafHashes.length === 0) return emptyRootHash();
  let level: Uint8Array[] = [...leafHashes];
  // Pairing from the left and carrying an odd last node up gives the same tree as splitting at powers of two.
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i];
      const right = level[i + 1];
      if (left !== undefined) above.push(right === undefined ? left : nodeHash(left, right));
    }
    level = above;
  }
  // One element remains, because the input was not empty.
  return level[0] as Uint8Array;
}
