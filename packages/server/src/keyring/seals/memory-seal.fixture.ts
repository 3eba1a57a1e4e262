import { SecretBytes } from '@sallyport/formats';
import type { Seal } from '../seal.ts';

/** Keeps the contract of a seal in memory: opens exactly what it sealed. What it sealed outlives the keyring. */
export function memorySeal(kind: string): Seal & { readonly sealed: Map<string, Uint8Array> } {
  const sealed = new Map<string, Uint8Array>();
  return {
    kind,
    sealed,
    wrap: async (root) => {
      const handle = new Uint8Array(8).fill(sealed.size + 1);
      sealed.set(handle.join(), Uint8Array.from(root.expose()));
      return handle;
    },
    unwrap: async (handle) => SecretBytes.from(sealed.get(handle.join()) ?? new Uint8Array(0)),
  };
}
