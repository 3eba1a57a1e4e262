import type { SecretBytes } from '@sallyport/formats';

/**
 * What protects the root key while the server is down: a key file, Shamir shares, a PKCS#11 token, a cloud KMS or
 * another Vault. `wrap` and `unwrap` are never called inside a database transaction.
 */
export interface Seal {
  /** Stored beside the sealed root, so that opening with another kind of seal is refused with a clear message. */
  readonly kind: string;
  /** Seals a root key. May create the seal's own key if there is none yet; never replaces one. */
  wrap(root: SecretBytes): Promise<Uint8Array>;
  /**
   * Opens what `wrap` gave. Never creates anything: a missing key must be restored, not replaced.
   * Throws `keyring.seal_unavailable` (cannot be asked), `keyring.seal_unsafe` (others could have read it) or
   * `keyring.decrypt_failed` (does not open).
   */
  unwrap(sealed: Uint8Array): Promise<SecretBytes>;
  /**
   * Whether `sealed` names the key that this seal uses, told without asking anybody; absent where the bytes do not say.
   * A root that is sealed anew must stay under the key that its row has now: another process may have moved it.
   */
  holds?(sealed: Uint8Array): boolean;
  /** Forgets keys and sessions in memory; the seal cannot be used afterwards, except for a seal of shares. */
  close?(): Promise<void>;
}
