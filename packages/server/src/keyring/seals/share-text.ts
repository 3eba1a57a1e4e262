import { Fault, SecretBytes } from '@sallyport/formats';

/** A share of a 256-bit key: 32 bytes and its number. */
export const shareSizeBytes = 33;
const hexLength = shareSizeBytes * 2;
const base64Length = 44;

/**
 * Reads a share as people type it, in hexadecimal or in base64 (standard alphabet). The two have different lengths, so
 * that no text is both. Throws `keyring.share`; the message holds nothing of the text.
 */
export function parseShare(text: string): SecretBytes {
  const isHex = text.length === hexLength && /^[0-9a-fA-F]+$/.test(text);
  // 33 bytes are 44 characters exactly: there is no padding, and every character counts.
  const isBase64 = text.length === base64Length && /^[A-Za-z0-9+/]+$/.test(text);
  if (!isHex && !isBase64) {
    throw new Fault(
      'invalid',
      'keyring.share',
      `expected a share as ${hexLength} hexadecimal or ${base64Length} base64 characters, got ${text.length} characters that are neither`,
    );
  }
  const bytes = Buffer.from(text, isHex ? 'hex' : 'base64');
  const share = SecretBytes.from(bytes);
  bytes.fill(0);
  return share;
}
