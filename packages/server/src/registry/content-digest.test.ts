import { utf8 } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { algorithmOf, checkDigest, contentDigestOf, hexOf } from './content-digest.ts';

// NIST FIPS 180-4 examples: the message "abc".
const abc256 = 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
const abc512 =
  'sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f';

describe('a digest of content', () => {
  it('is the hash of its bytes by the algorithm it names', () => {
    expect(contentDigestOf('sha256', utf8('abc'))).toBe(abc256);
    expect(contentDigestOf('sha512', utf8('abc'))).toBe(abc512);
    expect(algorithmOf(checkDigest(abc256))).toBe('sha256');
    expect(algorithmOf(checkDigest(abc512))).toBe('sha512');
    expect(hexOf(checkDigest(abc512))).toHaveLength(128);
  });

  it.each([
    '',
    'sha256:',
    abc256.toUpperCase(),
    abc256.slice(0, -1),
    `${abc256}0`,
    `${abc256}\n`,
    ` ${abc512}`,
    abc512.slice(0, -1),
    `${abc512}0`,
    abc512.replace('sha512', 'sha256'),
    abc256.replace('sha256', 'sha512'),
    abc512.replace('sha512', 'sha384'),
    abc256.replace('sha256:', 'sha256:../'),
    'md5:900150983cd24fb0d6963f7d28e17f72',
    'blake3:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  ])('is not %j', (text) => {
    expect(() => checkDigest(text)).toThrow(expect.objectContaining({ code: 'registry.digest_invalid' }));
  });

  it('is nothing that anybody makes up', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        expect(() => checkDigest(text)).toThrow(expect.objectContaining({ code: 'registry.digest_invalid' }));
      }),
    );
  });
});
