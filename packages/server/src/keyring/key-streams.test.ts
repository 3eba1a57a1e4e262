import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKeyStreams } from './key-streams.ts';
import { packedOverheadBytes } from './packed-record.ts';

/** As long as what a cipher makes of so many bytes; what stands in it does not matter here. */
const sealedOf = (plaintext: Uint8Array): Buffer => randomBytes(packedOverheadBytes + plaintext.length);

describe('streams of records that were opened', () => {
  it('open the same bytes at the same address, and give memory of the caller', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 512 }), fc.string({ minLength: 1 }), (plaintext, address) => {
        const streams = createKeyStreams();
        const sealed = sealedOf(plaintext);
        streams.keep(address, sealed, plaintext);

        const opened = streams.open(address, Buffer.from(sealed));
        expect(opened).toEqual(Buffer.from(plaintext));
        opened?.fill(0);
        expect(streams.open(address, sealed)).toEqual(Buffer.from(plaintext));
        expect(streams.open(`${address}/`, sealed)).toBeUndefined();
      }),
    );
  });

  it('are gone once they are wiped', () => {
    const streams = createKeyStreams();
    const plaintext = Buffer.from('a value that somebody would look for');
    const sealed = sealedOf(plaintext);
    streams.keep('a', sealed, plaintext);
    streams.wipe();

    expect(streams.open('a', sealed)).toBeUndefined();
  });

  it('are those of the records used last, and of small ones only', () => {
    const streams = createKeyStreams();
    const records = Array.from({ length: 4000 }, (_, at) => {
      const plaintext = Buffer.from(`value ${at}`);
      return { address: `${at}`, plaintext, sealed: sealedOf(plaintext) };
    });
    const [always] = records;
    for (const { address, sealed, plaintext } of records) {
      streams.keep(address, sealed, plaintext);
      expect(streams.open('0', always?.sealed ?? Buffer.of())).toEqual(always?.plaintext);
    }
    const found = records.filter(({ address, sealed }) => streams.open(address, sealed) !== undefined);
    expect(found.length).toBeGreaterThanOrEqual(1024);
    expect(found.length).toBeLessThanOrEqual(2048);
    expect(found.at(-1)).toBe(records.at(-1));

    const large = Buffer.alloc(513);
    const sealed = sealedOf(large);
    streams.keep('large', sealed, large);
    expect(streams.open('large', sealed)).toBeUndefined();
  });
});
