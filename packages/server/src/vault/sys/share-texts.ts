import type { SecretBytes } from '@sallyport/formats';

/** Shares in both ways in which clients take them. The texts live as long as the answer; the caller wipes the shares. */
export function shareTexts(shares: readonly SecretBytes[]) {
  return {
    keys: shares.map((share) => Buffer.from(share.expose()).toString('hex')),
    keys_base64: shares.map((share) => Buffer.from(share.expose()).toString('base64')),
  };
}
