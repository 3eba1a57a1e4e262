import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../bytes/bytes.ts';
import { fromBase64, fromHex, toHex } from '../bytes/encodings.ts';
import { verifyEd25519 } from '../crypto/signatures.ts';
import { closed, integer, list, text } from '../json/shape.ts';
import { parseStrictJson } from '../json/strict.ts';
import { leafHash, rootFromLeaves } from '../merkle/hash.ts';
import { consistencyPath, inclusionPath, proofHashes } from '../merkle/path.ts';
import { verifyConsistency, verifyInclusion } from '../merkle/verify.ts';
import { checkpointKeyId, parseNote } from './note.ts';

const read = (name: string) =>
  parseStrictJson(readFileSync(new URL(`../../vectors/${name}`, import.meta.url), 'utf8'));

interface MerkleVectors {
  readonly leaves: readonly string[];
  readonly roots: readonly string[];
  readonly inclusion: {
    readonly leafIndex: number;
    readonly treeSize: number;
    readonly hashes: readonly string[];
  };
  readonly consistency: {
    readonly firstSize: number;
    readonly secondSize: number;
    readonly hashes: readonly string[];
  };
}

const hexes = list(text(64), 16);
const merkle = closed<MerkleVectors>(
  {
    leaves: hexes,
    roots: hexes,
    inclusion: closed<MerkleVectors['inclusion']>(
      { leafIndex: integer(0), treeSize: integer(1), hashes: hexes },
      {},
    ),
    consistency: closed<MerkleVectors['consistency']>(
      { firstSize: integer(1), secondSize: integer(1), hashes: hexes },
      {},
    ),
  },
  {},
)(read('merkle.json'), 'merkle.json');

describe('Merkle trees of RFC 6962', () => {
  const leaves = merkle.leaves.map((hex) => leafHash(fromHex(hex)));
  const nodeAt = (level: number, index: number) =>
    rootFromLeaves(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));
  const rootOf = (size: number) => fromHex(merkle.roots[size] ?? '');

  it.each(merkle.roots.map((root, size) => [size, root]))('have the root of %i leaves', (size, root) => {
    expect(toHex(rootFromLeaves(leaves.slice(0, Number(size))))).toBe(root);
  });

  it('have the inclusion proof', () => {
    const { leafIndex, treeSize, hashes } = merkle.inclusion;

    expect(proofHashes(inclusionPath(leafIndex, treeSize), nodeAt).map(toHex)).toEqual(hashes);
    verifyInclusion({
      leafHash: leaves[leafIndex] ?? new Uint8Array(),
      leafIndex,
      treeSize,
      hashes: hashes.map(fromHex),
      rootHash: rootOf(treeSize),
    });
  });

  it('have the consistency proof', () => {
    const { firstSize, secondSize, hashes } = merkle.consistency;

    expect(proofHashes(consistencyPath(firstSize, secondSize), nodeAt).map(toHex)).toEqual(hashes);
    verifyConsistency({
      firstSize,
      firstRoot: rootOf(firstSize),
      secondSize,
      secondRoot: rootOf(secondSize),
      hashes: hashes.map(fromHex),
    });
  });
});

interface NoteVector {
  readonly verifierKey: string;
  readonly text: string;
  readonly signatures: string;
}

describe('signed notes', () => {
  it('have the key hash and signature that Go computes', () => {
    const vector = closed<NoteVector>({ verifierKey: text(200), text: text(500), signatures: text(500) }, {})(
      read('note.json'),
      'note.json',
    );
    const [name = '', keyHash = '', key = ''] = vector.verifierKey.split(/\+(?=[0-9a-f]{8}\+|A)/);
    const spki = concatBytes(fromHex('302a300506032b6570032100'), fromBase64(key).subarray(1));

    const note = parseNote(`${vector.text}\n${vector.signatures}`);

    expect(toHex(checkpointKeyId(name, spki).subarray(0, 4))).toBe(keyHash);
    expect(note.text).toBe(vector.text);
    expect(note.signatures[0]?.name).toBe(name);
    expect(toHex(note.signatures[0]?.keyHash ?? new Uint8Array())).toBe(keyHash);
    expect(verifyEd25519(spki, utf8(note.text), note.signatures[0]?.signature ?? new Uint8Array())).toBe(
      true,
    );
  });
});
