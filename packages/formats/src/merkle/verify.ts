import { equalBytes } from '../bytes/bytes.ts';
import { Fault } from '../fault.ts';
import { emptyRootHash, nodeHash } from './hash.ts';

export interface InclusionProof {
  readonly leafHash: Uint8Array;
  readonly leafIndex: number;
  readonly treeSize: number;
  readonly hashes: readonly Uint8Array[];
  readonly rootHash: Uint8Array;
}

export interface ConsistencyProof {
  readonly firstSize: number;
  readonly firstRoot: Uint8Array;
  readonly secondSize: number;
  readonly secondRoot: Uint8Array;
  readonly hashes: readonly Uint8Array[];
}

/** Throws unless the proof shows that the leaf is entry `leafIndex` of the tree (RFC 9162 §2.1.3.2). */
export function verifyInclusion(proof: InclusionProof): void {
  const { leafIndex, treeSize, hashes } = proof;
  if (!isSize(treeSize) || !isSize(leafIndex) || leafIndex >= treeSize) throw refused('inclusion');
  requireHashes([proof.leafHash, proof.rootHash, ...hashes], 'inclusion');
  let index = leafIndex;
  let last = treeSize - 1;
  let hash = proof.leafHash;
  for (const sibling of hashes) {
    if (last === 0) throw refused('inclusion');
    if (index % 2 === 1 || index === last) {
      hash = nodeHash(sibling, hash);
      while (index % 2 === 0 && index !== 0) {
        index = half(index);
        last = half(last);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    index = half(index);
    last = half(last);
  }
  if (last !== 0 || !equalBytes(hash, proof.rootHash)) throw refused('inclusion');
}

/** Throws unless the proof shows that the first tree is a prefix of the second (RFC 9162 §2.1.4.2). */
export function verifyConsistency(proof: ConsistencyProof): void {
  const { firstSize, secondSize, firstRoot, secondRoot, hashes } = proof;
  if (!isSize(firstSize) || !isSize(secondSize) || firstSize > secondSize) throw refused('consistency');
  requireHashes([firstRoot, secondRoot, ...hashes], 'consistency');
  if (firstSize === secondSize) {
    if (hashes.length !== 0 || !equalBytes(firstRoot, secondRoot)) throw refused('consistency');
    return;
  }
  if (firstSize === 0) {
    // Everything extends the empty tree; RFC 9162 defines no proof here, so only the empty one is taken.
    if (hashes.length !== 0 || !equalBytes(firstRoot, emptyRootHash())) throw refused('consistency');
    return;
  }
  foldConsistency(proof);
}

function foldConsistency(proof: ConsistencyProof): void {
  const path = isPowerOfTwo(proof.firstSize) ? [proof.firstRoot, ...proof.hashes] : proof.hashes;
  const [seed, ...rest] = path;
  if (seed === undefined) throw refused('consistency');
  let first = proof.firstSize - 1;
  let second = proof.secondSize - 1;
  while (first % 2 === 1) {
    first = half(first);
    second = half(second);
  }
  let firstHash = seed;
  let secondHash = seed;
  for (const hash of rest) {
    if (second === 0) throw refused('consistency');
    if (first % 2 === 1 || first === second) {
      firstHash = nodeHash(hash, firstHash);
      secondHash = nodeHash(hash, secondHash);
      while (first % 2 === 0 && first !== 0) {
        first = half(first);
        second = half(second);
      }
    } else {
      secondHash = nodeHash(secondHash, hash);
    }
    first = half(first);
    second = half(second);
  }
  const agrees = equalBytes(firstHash, proof.firstRoot) && equalBytes(secondHash, proof.secondRoot);
  if (second !== 0 || !agrees) throw refused('consistency');
}

/** Halving by division: the bit operators of JavaScript see 32 bits only, tree sizes go up to 2^53. */
function half(value: number): number {
  return Math.floor(value / 2);
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function isPowerOfTwo(value: number): boolean {
  let rest = value;
  while (rest % 2 === 0) rest /= 2;
  return rest === 1;
}

function requireHashes(hashes: readonly Uint8Array[], what: string): void {
  if (hashes.some((hash) => hash.length !== 32)) throw refused(what);
}

function refused(what: string): Fault {
  // One message for every cause: which check failed helps only who forges proofs.
  return new Fault(
    'integrity',
    `formats.${what}_proof`,
    `expected a ${what} proof that leads to the root hash, got one that does not`,
  );
}
