import { AsnConvert } from '@peculiar/asn1-schema';
import { Fault } from '@sallyport/formats';

/**
 * Reads DER as the given type, and refuses what would not be written back byte for byte. The reader passes over what it
 * cannot place: a revocation list without its optional second date came out as a list that revokes nothing. What is
 * lost in reading shows in writing. Throws `Fault('invalid')` or what the reader throws.
 */
export function parseWhole<T>(der: Buffer, type: new () => T): T {
  const value = AsnConvert.parse(der, type);
  if (!Buffer.from(AsnConvert.serialize(value)).equals(der))
    throw new Fault('invalid', 'vault.der', 'expected DER of which every part is known, got more');
  return value;
}
