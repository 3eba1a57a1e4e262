import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SecretMetadata } from './metadata.ts';
import { metadataCodec } from './metadata-codec.ts';

const codec = metadataCodec(true);
const whole = fc.nat();

const version = fc.record(
  {
    createdAt: whole,
    deletedAt: whole,
    destroyed: fc.boolean(),
    createdBy: fc.constantFrom('ada', 'token:ci', ''),
    prints: fc.string(),
  },
  { requiredKeys: ['createdAt', 'deletedAt', 'destroyed'], noNullPrototype: true },
);

const metadata = fc.record(
  {
    createdAt: whole,
    updatedAt: whole,
    current: whole,
    oldest: whole,
    maxVersions: whole,
    casRequired: fc.boolean(),
    deleteAfter: fc.integer(),
    custom: fc.option(fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true })),
    versions: fc.dictionary(fc.nat(1e9).map(String), version, { maxKeys: 12, noNullPrototype: true }),
    expected: fc.array(fc.string()),
  },
  {
    requiredKeys: [
      'createdAt',
      'updatedAt',
      'current',
      'oldest',
      'maxVersions',
      'casRequired',
      'deleteAfter',
      'custom',
      'versions',
    ],
    noNullPrototype: true,
  },
);

describe('the metadata of a secret as it is stored', () => {
  it('says what it said before', () => {
    fc.assert(
      fc.property(metadata, (each) => {
        expect(codec.decode(codec.encode(each as SecretMetadata))).toEqual(each);
      }),
    );
  });

  it('is read as it was written with names', () => {
    const before = {
      createdAt: 1,
      updatedAt: 2,
      current: 1,
      oldest: 1,
      maxVersions: 0,
      casRequired: false,
      deleteAfter: 0,
      custom: { team: 'shop' },
      versions: { 1: { createdAt: 1, deletedAt: 0, destroyed: false, createdBy: 'ada', prints: 'p' } },
    };

    expect(codec.decode(Buffer.from(JSON.stringify(before)))).toEqual(before);
  });
});
