import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../bytes/bytes.ts';
import { fromHex, toHex } from '../bytes/encodings.ts';
import { isFault } from '../fault.ts';
import { derExplicit, derFields } from './fields.ts';
import { type DerNode, parseDer } from './parse.ts';
import { contextTag, tags } from './tags.ts';
import {
  derBitBytes,
  derBoolean,
  derIntegerBytes,
  derNumber,
  derOctets,
  derOid,
  derText,
  derTime,
} from './values.ts';
import { der } from './write.ts';

const first = (node: DerNode): DerNode => derFields(node, 'value').take('value');

describe('what is written', () => {
  it('reads back as the same value', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 200n }), (value) => {
        const { content } = parseDer(der.integer(value));
        expect(BigInt(`0x${toHex(content)}`)).toBe(value);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(derOctets(parseDer(der.octetString(bytes)), 'bytes')).toEqual(bytes);
        expect(derBitBytes(parseDer(der.bitString(bytes)), 'bits')).toEqual(bytes);
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
        expect(derText(parseDer(der.utf8String(text)), 'text')).toBe(text);
      }),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(0, 1, 2),
        fc.integer({ min: 0, max: 39 }),
        fc.array(fc.integer({ min: 0, max: 2 ** 40 }), { maxLength: 8 }),
        (top, second, rest) => {
          const dotted = [top, second, ...rest].join('.');
          expect(derOid(parseDer(der.oid(dotted)), 'oid')).toBe(dotted);
        },
      ),
    );
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1950-01-01'), max: new Date('2120-01-01'), noInvalidDate: true }),
        (at) => {
          expect(derTime(parseDer(der.time(at)), 'time')).toBe(Math.floor(at.getTime() / 1000) * 1000);
        },
      ),
    );
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 4 }), { maxLength: 6 }), (members) => {
        const set = parseDer(der.set(...members.map((bytes) => der.octetString(bytes))));
        expect(set.children).toHaveLength(members.length);
      }),
    );
  });

  it('has the bytes of X.690 and RFC 5280', () => {
    // X.690 section 8.19.5, RFC 5280 section 4.1.2.5.1, and OpenSSL 3.0's `asn1parse -genstr` for the others.
    const examples: readonly (readonly [Uint8Array, string])[] = [
      [der.oid('2.999.3'), '0603883703'],
      [der.oid('1.2.840.113549'), '06062a864886f70d'],
      [der.integer(0), '020100'],
      [der.integer(128), '02020080'],
      [der.integer(Uint8Array.of(0, 0, 127)), '02017f'],
      [der.boolean(true), '0101ff'],
      [der.null(), '0500'],
      [der.utcTime(new Date('1999-12-31T23:59:59Z')), '170d3939313233313233353935395a'],
      [der.time(new Date('2050-01-01T00:00:00Z')), '180f32303530303130313030303030305a'],
      [der.bitString(Uint8Array.of(0x80), 7), '03020780'],
      [der.explicit(0, der.integer(2)), 'a003020102'],
      [der.implicit(1, der.octetString(Uint8Array.of(1))), '810101'],
      [der.implicit(2, der.sequence(der.null())), 'a2020500'],
      [der.set(der.integer(2), der.integer(1)), '3106020101020102'],
      [der.ia5String('a'), '160161'],
      [der.printableString('a'), '130161'],
    ];
    for (const [bytes, hex] of examples) expect(toHex(bytes)).toBe(hex);
    expect(toHex(der.octetString(new Uint8Array(200))).slice(0, 6)).toBe('0481c8');
    expect(toHex(der.octetString(new Uint8Array(256))).slice(0, 8)).toBe('04820100');
  });

  it('is refused when a value has no encoding', () => {
    expect(() => der.oid('1.40.1')).toThrow('second arc');
    expect(() => der.oid('1')).toThrow('object identifier');
    expect(() => der.integer(-1n)).toThrow('non-negative');
    expect(() => der.ia5String('é')).toThrow('text matching');
    expect(() => der.printableString('a@b')).toThrow('text matching');
    expect(() => der.utcTime(new Date('2050-01-01'))).toThrow('1950 to 2049');
  });
});

describe('reading', () => {
  const deep = (levels: number): Uint8Array => {
    let bytes = der.null();
    for (let i = 1; i < levels; i++) bytes = der.sequence(bytes);
    return bytes;
  };

  it('refuses what is not the one spelling, and says where', () => {
    const hostile: readonly (readonly [string, string, number])[] = [
      ['indefinite length', '30800000', 1],
      ['length of two bytes for a short element', '04810101', 1],
      ['length with a leading zero', '0482008000', 1],
      ['length of five bytes', '04850000000001', 1],
      ['length beyond the end', '0402ff', 1],
      ['length of 2^32 - 1', '0484ffffffff', 1],
      ['inner length beyond the outer end', '3003040200', 3],
      ['nothing', '', 0],
      ['an identifier alone', '30', 1],
      ['bytes behind the end', '050000', 2],
      ['tag number 31', '1f1f00', 0],
      ['end of contents', '0000', 0],
      ['integer with a leading zero', '0202007f', 0],
      ['negative integer with a leading ff', '0202ff80', 0],
      ['integer without bytes', '0200', 0],
      ['boolean 01', '010101', 0],
      ['boolean of two bytes', '0102ffff', 0],
      ['null with content', '050100', 0],
      ['8 unused bits', '03020800', 0],
      ['unused bits without bits', '030101', 0],
      ['unused bits that are set', '03020101', 0],
      ['bit string without its first byte', '0300', 0],
      ['object identifier without bytes', '0600', 0],
      ['object identifier that does not end', '060188', 0],
      ['padded object identifier', '06032a8001', 0],
      ['constructed octet string', '2403040100', 0],
      ['primitive sequence', '1000', 0],
      ['primitive set', '1100', 0],
      ['unsorted set', '3106020102020101', 5],
    ];
    for (const [name, hex, offset] of hostile) {
      let caught: unknown;
      try {
        parseDer(fromHex(hex));
      } catch (error) {
        caught = error;
      }
      if (!isFault(caught)) throw new Error(`${name} was not refused`);
      expect([name, caught.code, caught.details['offset']]).toEqual([name, 'formats.der', offset]);
    }
    expect(() => parseDer(fromHex('0c02c328'))).toThrow('UTF-8');
  });

  it('is bounded in depth, in elements and in bytes', () => {
    expect(parseDer(deep(32)).tag).toBe(tags.sequence);
    expect(() => parseDer(deep(33))).toThrow('at most 32 levels');
    // 20,000 empty sequences are 40 KB: small for a size limit, and a million objects when nested documents do it again.
    const bomb = der.sequence(...Array.from({ length: 20_000 }, () => der.sequence()));
    expect(() => parseDer(bomb)).toThrow('at most 10000 elements');
    expect(() => parseDer(der.octetString(new Uint8Array(70_000)))).toThrow('at most 65536 bytes');
    expect(() => parseDer(der.octetString(new Uint8Array(20)), { maxBytes: 21 })).toThrow('at most 21 bytes');
  });

  it('never throws anything but a Fault, and reads no more than it was given', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          expect(parseDer(bytes).bytes).toEqual(bytes);
        } catch (error) {
          expect(isFault(error)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses values outside of their type', () => {
    const refused: readonly (() => unknown)[] = [
      () => derNumber(parseDer(fromHex('0201ff')), 'version', 3),
      () => derNumber(parseDer(der.integer(4)), 'version', 3),
      () => derNumber(parseDer(der.integer(2n ** 60n)), 'version', Number.MAX_SAFE_INTEGER),
      () => derIntegerBytes(parseDer(der.integer(2n ** 168n)), 'serial', 21),
      () => derOid(parseDer(der.octetString(Uint8Array.of())), 'oid'),
      () => derOid(parseDer(fromHex(`0609${'ff'.repeat(8)}7f`)), 'oid'),
      () => derBoolean(parseDer(der.null()), 'critical'),
      () => derBitBytes(parseDer(der.bitString(Uint8Array.of(0x80), 7)), 'signature'),
      () => derText(parseDer(der.octetString(utf8('a'))), 'name'),
      () => derText(parseDer(fromHex('160100')), 'name'),
      () => derText(parseDer(der.utf8String('a'.repeat(20))), 'name', 10),
      () => derTime(parseDer(fromHex(`170b${toHex(utf8('9912312359Z'))}`)), 'time'),
      () => derTime(parseDer(fromHex(`170d${toHex(utf8('230230000000Z'))}`)), 'time'),
      () => derTime(parseDer(fromHex(`180f${toHex(utf8('20230101240000Z'))}`)), 'time'),
      () => derTime(parseDer(fromHex(`1811${toHex(utf8('20230101000000.0Z'))}`)), 'time'),
      () => derTime(parseDer(fromHex(`1813${toHex(utf8('20230101000000+0100'))}`)), 'time'),
    ];
    for (const each of refused) expect(each).toThrow(expect.objectContaining({ name: 'Fault' }));
    expect(derTime(parseDer(fromHex(`1812${toHex(utf8('20230101000000.25Z'))}`)), 'time') % 1000).toBe(250);
  });

  it('takes the members of a sequence in order and leaves none unseen', () => {
    const bytes = der.sequence(der.explicit(0, der.integer(2)), der.oid('1.2.3'), der.null());
    const fields = derFields(parseDer(bytes), 'thing');
    expect(fields.maybe(contextTag(1, true))).toBeUndefined();
    const version = fields.maybe(contextTag(0, true));
    expect(version && derNumber(derExplicit(version, 'version', 0), 'version', 2)).toBe(2);
    expect(derOid(fields.take('algorithm'), 'algorithm')).toBe('1.2.3');
    expect(() => fields.end()).toThrow('expected the end of thing');
    expect(() => fields.take('parameters', tags.sequence)).toThrow('expected parameters as sequence');
    expect(fields.rest()).toHaveLength(1);
    fields.take('parameters', tags.null);
    fields.end();
    expect(() => fields.take('more')).toThrow('expected more in thing');
    expect(() => derFields(first(parseDer(bytes)), 'inner')).toThrow('expected inner as sequence');
  });

  it('sees a certificate as OpenSSL sees it', () => {
    const { bytes, node } = certificate();
    const theirs = new X509Certificate(bytes);
    const tbs = derFields(first(node), 'tbs');
    tbs.take('version', contextTag(0, true));
    expect(toHex(derIntegerBytes(tbs.take('serial'), 'serial', 20)).toUpperCase()).toBe(theirs.serialNumber);
    tbs.take('signature algorithm');
    tbs.take('issuer');
    const validity = derFields(tbs.take('validity'), 'validity');
    expect(derTime(validity.take('from'), 'from')).toBe(theirs.validFromDate.getTime());
    expect(derTime(validity.take('to'), 'to')).toBe(theirs.validToDate.getTime());
    tbs.take('subject');
    const spki = theirs.publicKey.export({ type: 'spki', format: 'der' });
    expect(tbs.take('key').bytes).toEqual(new Uint8Array(spki));
  });
});

/** A certificate made with the writer; OpenSSL reads it without looking at the signature. */
function certificate(): { bytes: Uint8Array; node: DerNode } {
  const point = fromHex(
    // The generator of P-256, SEC 2 section 2.4.2: a public point that is surely on the curve.
    '046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5',
  );
  const algorithm = der.sequence(der.oid('1.2.840.10045.4.3.2'));
  const name = der.sequence(der.set(der.sequence(der.oid('2.5.4.10'), der.utf8String('example'))));
  const bytes = der.sequence(
    der.sequence(
      der.explicit(0, der.integer(2)),
      der.integer(0x7f00ffn),
      algorithm,
      name,
      der.sequence(der.time(new Date('2026-01-01T00:00:00Z')), der.time(new Date('2051-01-01T00:00:00Z'))),
      name,
      der.sequence(
        der.sequence(der.oid('1.2.840.10045.2.1'), der.oid('1.2.840.10045.3.1.7')),
        der.bitString(point),
      ),
    ),
    algorithm,
    der.bitString(Uint8Array.of(0x30, 0)),
  );
  return { bytes, node: parseDer(bytes) };
}
