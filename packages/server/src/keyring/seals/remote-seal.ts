import { SecretBytes, toHex } from '@sallyport/formats';
import { associatedData, keySizeBytes } from '../aead.ts';
import { decryptFailed } from '../faults.ts';
import type { Seal } from '../seal.ts';
import { packNamed, unpackNamed } from './named-blob.ts';

/** A key that is somewhere else, with the two verbs that a seal needs. */
export interface RemoteKey {
  readonly kind: string;
  /** Names the key as far as the configuration does, so that a blob of another key is recognised. */
  readonly name: string;
  encrypt(plaintext: Uint8Array): Promise<Uint8Array>;
  /** The caller wipes the answer. Throws `keyring.seal_unavailable` or `keyring.decrypt_failed`. */
  decrypt(blob: Uint8Array): Promise<Uint8Array>;
  close?(): Promise<void>;
}

/** Where a service binds associated data, it is this, so that no other use of the same key opens a root key. */
export const sealPurpose = 'sallyport root key';
export const sealAad: Uint8Array = associatedData('seal/remote');
export const sealAadHex: string = toHex(sealAad);

/** Bound for what a service answers with: an RSA-16384 ciphertext fits several times. */
export const maxBlobBytes = 16 * 1024;

export function remoteSeal(key: RemoteKey): Seal {
  const { close } = key;
  return {
    kind: key.kind,
    async wrap(root) {
      const blob = await key.encrypt(root.expose());
      if (blob.length < keySizeBytes || blob.length > maxBlobBytes) throw decryptFailed();
      return packNamed(key.name, blob);
    },
    async unwrap(sealed) {
      const named = unpackNamed(sealed);
      if (named === undefined || named.name !== key.name || named.blob.length > maxBlobBytes) {
        throw decryptFailed();
      }
      const opened = await key.decrypt(named.blob);
      const root = SecretBytes.from(opened);
      opened.fill(0);
      if (root.sizeBytes === keySizeBytes) return root;
      root.wipe();
      throw decryptFailed();
    },
    holds: (sealed) => unpackNamed(sealed)?.name === key.name,
    ...(close === undefined ? {} : { close: () => close() }),
  };
}
