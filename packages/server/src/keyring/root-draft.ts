import { SecretBytes } from '@sallyport/formats';
import { keySizeBytes } from './aead.ts';
import type { Entropy } from './entropy.ts';
import { decryptFailed } from './faults.ts';
import type { Seal } from './seal.ts';

/** A root key that nothing depends on yet; whoever has it wipes `key`. */
export interface RootDraft {
  readonly key: SecretBytes;
  readonly sealKind: string;
  readonly sealed: Uint8Array;
}

/** A new root key, sealed, and proven to open again before anything depends on it. */
export async function draftRoot(seal: Seal, entropy: Entropy): Promise<RootDraft> {
  const bytes = entropy.bytes(keySizeBytes);
  const key = SecretBytes.from(bytes);
  bytes.fill(0);
  return { key, sealKind: seal.kind, sealed: await provenSeal(seal, key) };
}

/** Seals a root key, and opens it again before it is trusted. */
export async function provenSeal(seal: Seal, key: SecretBytes): Promise<Uint8Array> {
  const sealed = await seal.wrap(key);
  const again = await seal.unwrap(sealed);
  const same = again.equals(key);
  again.wipe();
  if (!same) throw decryptFailed();
  return sealed;
}
