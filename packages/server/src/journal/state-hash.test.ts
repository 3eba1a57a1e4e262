import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createStateHash, emptySum, markSizeBytes, nonceSizeBytes, type Sum, sameSum } from './state-hash.ts';

const key = Buffer.alloc(32, 7);
const stateHash = createStateHash(key);
const moment = { epoch: 3, clock: 1_700_000_000_000 };
const nonce = Buffer.alloc(nonceSizeBytes, 1);
const modulus = 1n << 256n;

function number(sum: Sum): bigint {
  return [...sum].reduceRight((all, limb) => (all << 32n) | BigInt(limb), 0n);
}

function hmac(...parts: readonly Buffer[]): bigint {
  return BigInt(`0x${createHmac('sha256', key).update(Buffer.concat(parts)).digest('hex')}`);
}

function sized(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index);
  return bytes;
}

const anyRecord = fc.record({
  scope: fc.string({ unit: 'grapheme', maxLength: 10 }),
  path: fc.string({ unit: 'grapheme', maxLength: 20 }),
  sealed: fc.uint8Array({ maxLength: 6000 }),
});

describe('the hash of all records', () => {
  it('is the sum modulo 2^256 of HMAC-SHA256 over each record with its lengths, by another implementation', () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 8 }), (records) => {
        const sum = emptySum();
        let expected = 0n;
        for (const { scope, path, sealed } of records) {
          stateHash.add(sum, scope, path, sealed);
          const [scopeBytes, pathBytes] = [Buffer.from(scope), Buffer.from(path)];
          const head = sized(scopeBytes.length, pathBytes.length, sealed.length);
          expected += hmac(Buffer.of(1), head, scopeBytes, pathBytes, Buffer.from(sealed));
        }
        expect(number(sum)).toBe(expected % modulus);
      }),
    );
  });

  it('stays the same when the key it was made of is wiped, for records of every size', () => {
    const given = Buffer.from(key);
    const wiped = createStateHash(given);
    given.fill(0);
    for (const size of [10, 5000, 10, 300_000]) {
      const [one, other] = [emptySum(), emptySum()];
      stateHash.add(one, 'system', 'a', Buffer.alloc(size, 'x'));
      wiped.add(other, 'system', 'a', Buffer.alloc(size, 'x'));
      expect(sameSum(one, other)).toBe(true);
    }
  });

  it('does not depend on the order, and taking away undoes adding', () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 8 }), (records) => {
        const [one, other] = [emptySum(), emptySum()];
        for (const { scope, path, sealed } of records) stateHash.add(one, scope, path, sealed);
        for (const { scope, path, sealed } of [...records].reverse())
          stateHash.add(other, scope, path, sealed);
        expect(sameSum(one, other)).toBe(true);
        for (const { scope, path, sealed } of records) stateHash.subtract(one, scope, path, sealed);
        expect(sameSum(one, emptySum())).toBe(true);
      }),
    );
  });

  it('tells apart where scope, path and bytes end', () => {
    const sums = [
      ['ab', 'c', 'd'],
      ['a', 'bc', 'd'],
      ['a', 'b', 'cd'],
      ['', 'abc', 'd'],
    ].map(([scope = '', path = '', sealed = '']) => {
      const sum = emptySum();
      stateHash.add(sum, scope, path, Buffer.from(sealed));
      return number(sum);
    });

    expect(new Set(sums).size).toBe(4);
  });

  it('comes back from its mark, for the same key and moment only', () => {
    const sum = emptySum();
    stateHash.add(sum, 's', 'p', Buffer.from('x'));
    const mark = stateHash.toMark(sum, moment, nonce);

    expect(mark.length).toBe(markSizeBytes);
    expect(sameSum(stateHash.fromMark(mark, moment), sum)).toBe(true);
    for (const other of [
      stateHash.fromMark(mark, { ...moment, epoch: 4 }),
      stateHash.fromMark(mark, { ...moment, clock: moment.clock - 1 }),
      createStateHash(Buffer.alloc(32, 8)).fromMark(mark, moment),
      stateHash.fromMark(
        Buffer.concat([Buffer.alloc(nonceSizeBytes, 2), mark.subarray(nonceSizeBytes)]),
        moment,
      ),
    ]) {
      expect(sameSum(other, sum)).toBe(false);
    }
  });

  it('shows no term in the difference of two marks: that would let others be computed', () => {
    const sum = emptySum();
    const before = stateHash.toMark(sum, moment, nonce);
    stateHash.add(sum, 's', 'p', Buffer.from('x'));
    const after = stateHash.toMark(sum, { ...moment, epoch: 4 }, Buffer.alloc(nonceSizeBytes, 2));
    const shown = (mark: Buffer): bigint => BigInt(`0x${mark.subarray(nonceSizeBytes).toString('hex')}`);

    expect((shown(after) - shown(before) + modulus) % modulus).not.toBe(number(sum));
  });
});
