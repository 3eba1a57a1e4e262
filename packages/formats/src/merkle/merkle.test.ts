import { describe, expect, it } from 'vitest';
import { utf8 } from '../bytes/bytes.ts';
import { isFault } from '../fault.ts';
import { emptyRootHash, leafHash, rootFromLeaves } from './hash.ts';
import { consistencyPath, hashOfProofNode, inclusionPath, proofHashes, rootPath } from './path.ts';
import { verifyConsistency, verifyInclusion } from './verify.ts';

const leaves = Array.from({ length: 64 }, (_, i) => leafHash(utf8(`entry ${i}`)));
const nodes = new Map<string, Uint8Array>();
const nodeAt = (level: number, index: number) => {
  const width = 2 ** level;
  const hash =
    nodes.get(`${level}/${index}`) ?? rootFromLeaves(leaves.slice(index * width, (index + 1) * width));
  nodes.set(`${level}/${index}`, hash);
  return hash;
};
const refuses = (verify: () => void) => {
  // Not expect().toThrow: forty thousand of those take seconds.
  try {
    verify();
  } catch (error) {
    if (isFault(error) && error.kind === 'integrity') return;
  }
  throw new Error('a wrong proof was accepted');
};
const at = (i: number) => leaves[i] ?? new Uint8Array();
const rootOf = (size: number) => rootFromLeaves(leaves.slice(0, size));

describe('inclusion proofs', () => {
  it('hold for every leaf of every tree up to 64 and for no other leaf or position', () => {
    for (let size = 1; size <= 64; size++) {
      const rootHash = rootOf(size);
      for (let leafIndex = 0; leafIndex < size; leafIndex++) {
        const hashes = proofHashes(inclusionPath(leafIndex, size), nodeAt);
        const proof = { leafHash: at(leafIndex), leafIndex, treeSize: size, hashes, rootHash };

        verifyInclusion(proof);

        refuses(() => verifyInclusion({ ...proof, leafHash: at((leafIndex + 1) % 64) }));
        refuses(() => verifyInclusion({ ...proof, hashes: [...hashes, at(0)] }));
        if (hashes.length > 0) refuses(() => verifyInclusion({ ...proof, hashes: hashes.slice(1) }));
        for (let other = 0; other < size; other++) {
          if (other !== leafIndex) refuses(() => verifyInclusion({ ...proof, leafIndex: other }));
        }
      }
    }
  });

  it('refuse any flipped bit of any hash', () => {
    const hashes = proofHashes(inclusionPath(11, 23), nodeAt);
    const proof = { leafHash: at(11), leafIndex: 11, treeSize: 23, hashes, rootHash: rootOf(23) };
    verifyInclusion(proof);
    for (const hash of hashes) {
      for (let bit = 0; bit < 256; bit++) {
        const byte = hash[bit >> 3] ?? 0;
        hash[bit >> 3] = byte ^ (1 << (bit & 7));
        refuses(() => verifyInclusion(proof));
        hash[bit >> 3] = byte;
      }
    }
    verifyInclusion(proof);
  });

  it('refuse positions that are no position', () => {
    const proof = { leafHash: at(0), leafIndex: 0, treeSize: 1, hashes: [], rootHash: at(0) };
    verifyInclusion(proof);
    for (const leafIndex of [-1, 1, 0.5, Number.NaN, 2 ** 53]) {
      refuses(() => verifyInclusion({ ...proof, leafIndex }));
    }
    for (const treeSize of [0, -1, 1.5, Number.POSITIVE_INFINITY]) {
      refuses(() => verifyInclusion({ ...proof, treeSize }));
    }
  });

  it('work above 32 bits, where the bit operators of the language do not', () => {
    const size = 2 ** 40 + 5;
    const path = inclusionPath(2 ** 40 + 3, size);
    expect(path.at(-1)).toEqual([{ level: 40, index: 0 }]);
    expect(path.length).toBe(4);
  });
});

describe('consistency proofs', () => {
  it('hold between all sizes up to 64 and refuse another first root', () => {
    for (let secondSize = 0; secondSize <= 64; secondSize++) {
      for (let firstSize = 0; firstSize <= secondSize; firstSize++) {
        const hashes = proofHashes(consistencyPath(firstSize, secondSize), nodeAt);
        const proof = {
          firstSize,
          firstRoot: rootOf(firstSize),
          secondSize,
          secondRoot: rootOf(secondSize),
          hashes,
        };

        verifyConsistency(proof);

        refuses(() => verifyConsistency({ ...proof, firstRoot: leafHash(utf8('other')) }));
        refuses(() => verifyConsistency({ ...proof, hashes: [...hashes, at(0)] }));
        if (firstSize > 0) {
          refuses(() => verifyConsistency({ ...proof, secondRoot: leafHash(utf8('other')) }));
        }
      }
    }
  });
});

describe('rootPath', () => {
  it('gives the subtrees that make the root of every tree up to 64', () => {
    expect(rootPath(0)).toEqual([]);
    expect(rootFromLeaves([])).toEqual(emptyRootHash());
    for (let size = 1; size <= 64; size++) {
      expect(hashOfProofNode(rootPath(size), nodeAt)).toEqual(rootOf(size));
    }
  });
});
