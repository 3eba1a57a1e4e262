import { associatedData } from './aead.ts';

/**
 * What each ciphertext is bound to. The chain root > KEK > DEK > record is closed by these: a row copied to another
 * scope, address or version does not open.
 */
export function kekData(scope: string, version: number, rootVersion: number): Uint8Array {
  return associatedData('kek', scope, version, rootVersion);
}

export function dekData(scope: string, address: string, keyVersion: number): Uint8Array {
  return associatedData('dek', scope, address, keyVersion);
}

/**
 * Without the key version, because a rewrap changes that and must not touch the ciphertext. The version is bound all
 * the same: the DEK opens under its own version only, and no other DEK opens the ciphertext.
 */
export function recordData(scope: string, address: string): Uint8Array {
  return associatedData('record', scope, address);
}

/** The split is part of it: a row that claims a lower threshold does not open. */
export function recoveryData(shares: number, threshold: number, rootVersion: number): Uint8Array {
  return associatedData('recovery', shares, threshold, rootVersion);
}
