import { Fault, SecretBytes } from '@sallyport/formats';
import type { Tx } from '#platform';
import { decryptBytes, encryptBytes, keySizeBytes, nonceSizeBytes, unwrapKey, wrapKey } from './aead.ts';
import { dekData, recordData } from './binding.ts';
import type { Entropy } from './entropy.ts';
import { decryptFailed } from './faults.ts';
import type { Keks } from './keks.ts';
import type { Keyring } from './keyring.ts';
import type { SealedRecord } from './record.ts';

export interface SealedRecordsDeps {
  readonly keks: Keks;
  readonly entropy: Entropy;
  /** Throws `keyring.closed` unless the root key is in memory. */
  readonly requireOpen: () => void;
}

const scopePattern = /^(system|env:[a-z0-9-]{1,63}\/[a-z0-9-]{1,63})$/;
const maxAddressLength = 1000;
const maxPlaintextBytes = 1024 * 1024;

/** Records of rows: each under a DEK of its own, which is wrapped by its scope's KEK as the transaction sees it. */
export function createSealedRecords({
  keks,
  entropy,
  requireOpen,
}: SealedRecordsDeps): Pick<Keyring, 'encrypt' | 'decrypt'> {
  async function encrypt(
    tx: Tx,
    scope: string,
    address: string,
    plaintext: SecretBytes,
  ): Promise<SealedRecord> {
    requireOpen();
    requireName(scope, address);
    if (plaintext.sizeBytes > maxPlaintextBytes) {
      throw invalid('too_large', `at most ${maxPlaintextBytes} bytes to encrypt`, `${plaintext.sizeBytes}`);
    }
    const kek = await keks.current(tx, scope);
    const dek = entropy.bytes(keySizeBytes);
    try {
      const nonce = entropy.bytes(nonceSizeBytes);
      const ciphertext = encryptBytes(dek, nonce, recordData(scope, address), plaintext.expose());
      const aad = dekData(scope, address, kek.version);
      const wrappedKey = wrapKey(kek.key, entropy.bytes(nonceSizeBytes), aad, dek);
      keks.count(scope, kek.version);
      return { keyVersion: kek.version, wrappedKey, nonce, ciphertext };
    } finally {
      dek.fill(0);
      kek.key.fill(0);
    }
  }

  async function decrypt(tx: Tx, scope: string, address: string, record: SealedRecord): Promise<SecretBytes> {
    requireOpen();
    // A version that is no key version at all must not reach the database as a parameter it refuses.
    if (!Number.isInteger(record.keyVersion) || record.keyVersion < 1 || record.keyVersion >= 2 ** 31) {
      throw decryptFailed();
    }
    const kek = await keks.at(tx, scope, record.keyVersion);
    const dek = unwrapKey(kek.key, dekData(scope, address, record.keyVersion), record.wrappedKey);
    kek.key.fill(0);
    if (dek === undefined) throw decryptFailed();
    const plaintext = decryptBytes(dek, record.nonce, recordData(scope, address), record.ciphertext);
    dek.fill(0);
    if (plaintext === undefined) throw decryptFailed();
    const secret = SecretBytes.from(plaintext);
    plaintext.fill(0);
    return secret;
  }

  return { encrypt, decrypt };
}

/** Throws `keyring.scope` or `keyring.address` for what is no name of the kind. */
export function requireName(scope: string, address: string): void {
  if (!scopePattern.test(scope)) {
    throw invalid(
      'scope',
      'a scope "env:<project>/<environment>" or "system"',
      JSON.stringify(scope.slice(0, 200)),
    );
  }
  if (address.length < 1 || address.length > maxAddressLength || !address.isWellFormed()) {
    throw invalid(
      'address',
      `an address of 1 to ${maxAddressLength} characters`,
      `${address.length} characters`,
    );
  }
}

function invalid(code: string, expected: string, got: string): Fault {
  return new Fault('invalid', `keyring.${code}`, `expected ${expected}, got ${got}`);
}
