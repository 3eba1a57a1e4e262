import type { SecretBytes } from '@sallyport/formats';

/**
 * What protects the root key while the server is down. One key file now; Shamir shares, PKCS#11, a cloud KMS or
 * another Vault implement the same two verbs. Neither is called inside a database transaction.
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
}
