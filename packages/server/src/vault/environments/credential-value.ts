import { hintOf } from './key-names.ts';
import { isOpenShape, isWordLike, outlineOf } from './value-shape.ts';

/** Below it two values are equal by chance, and a value could be found by trying all of them. */
export const leastBytes = 8;
/** Host names, words and their like are not longer; what is, is looked at for PEM only. */
const longestOpen = 256;

const common = [
  'disabled',
  'inactive',
  'optional',
  'required',
  'undefined',
  'localhost',
  'postgres',
  'postgresql',
  'production',
  'development',
  'information',
].map((text) => Buffer.from(text));

const pem = Buffer.from('-----BEGIN ');
const pemPrivate = Buffer.from('PRIVATE KEY-----');
const pemKinds = ['CERTIFICATE', 'PUBLIC KEY', 'X509 CRL', 'RSA PUBLIC KEY'].map((kind) =>
  Buffer.from(`${kind}-----`),
);
const arn = Buffer.from('arn:');

/**
 * Whether the value of a key may be a credential, so that the same value elsewhere means something. It errs towards
 * yes: a value is left out only when it is shorter than 8 bytes, or when its key does not say that it is secret and its
 * form says that it is open (an address, a time, a version, a path, a certificate, a word that configurations are full
 * of), or when its key says that it describes (`username`, `region`) and it consists of words. It keeps nothing of the
 * value, and makes no text of it.
 */
export function mayBeCredential(key: string, bytes: Buffer, start: number, end: number): boolean {
  const sizeBytes = end - start;
  if (sizeBytes < leastBytes) return false;
  const hint = hintOf(key);
  if (hint === 'credential') return true;
  if (beginsWith(bytes, start, end, pem)) {
    const value = bytes.subarray(start, end);
    return (
      value.includes(pemPrivate) || !pemKinds.some((kind) => beginsWith(value, pem.length, sizeBytes, kind))
    );
  }
  if (sizeBytes > longestOpen) return true;
  if (common.some((word) => word.length === sizeBytes && beginsWith(bytes, start, end, word))) return false;
  if (beginsWith(bytes, start, end, arn) || isIpv6(bytes, start, end)) return false;
  const outline = outlineOf(bytes, start, end);
  if (isOpenShape(outline, sizeBytes)) return false;
  return hint === 'none' || !isWordLike(outline);
}

function beginsWith(bytes: Buffer, start: number, end: number, prefix: Buffer): boolean {
  return (
    end - start >= prefix.length &&
    bytes.compare(prefix, 0, prefix.length, start, start + prefix.length) === 0
  );
}

/** Groups of at most four hexadecimal digits and at least two colons; RFC 4291 section 2.2. */
function isIpv6(bytes: Buffer, start: number, end: number): boolean {
  if (end - start > 39) return false;
  let colons = 0;
  let digits = 0;
  for (let at = start; at < end; at += 1) {
    const code = bytes[at] ?? 0;
    if (code === 0x3a) {
      colons += 1;
      digits = 0;
    } else if ((code >= 0x30 && code <= 0x39) || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x66)) {
      digits += 1;
      if (digits > 4) return false;
    } else return false;
  }
  return colons >= 2 && colons <= 7;
}
