import { equalBytes } from '../bytes/bytes.ts';
import { readVerifyingKey, spkiOfPkcs1, type VerifyingKey } from '../crypto/verifying-key.ts';
import { type Certificate, parseCertificate } from '../x509/certificate.ts';
import type { SigstoreBundle } from './document.ts';
import { readPem } from './pem.ts';
import { asksIdentity, type SigstorePolicy } from './policy.ts';
import { refusal } from './refusal.ts';

/** Whose signature it is said to be. */
export interface Signer {
  readonly key: VerifyingKey;
  /** Undefined when the key is one that the verifier was given. */
  readonly certificate: Certificate | undefined;
}

/** The signer of a bundle: its certificate, or the key of the policy. A bundle never brings a key of its own. */
export function signerOf({ material, content, version }: SigstoreBundle, policy: SigstorePolicy): Signer {
  if (material.kind === 'key') {
    if (policy.key === undefined) {
      throw refusal(
        'signer',
        'a certificate, or the public key in the policy',
        'a bundle that only hints at a key',
      );
    }
    if (asksIdentity(policy))
      throw refusal('identity', 'a certificate for the identity', 'a key without a name');
    const { hint } = material;
    if (content.kind === 'envelope' && content.keyId !== '' && hint !== '' && content.keyId !== hint) {
      throw refusal('signer', 'one key hint', 'another in the envelope');
    }
    return { key: policy.key, certificate: undefined };
  }
  const certificate = parseCertificate(material.certificate);
  if (policy.key !== undefined && !equalBytes(policy.key.spki, certificate.key.spki)) {
    throw refusal('signer', 'a signature by the key of the policy', 'one by the key of a certificate');
  }
  for (const raw of material.others) {
    const { issuer, subject } = parseCertificate(raw);
    // Client specification: what is trusted comes from the trust root and is never carried by what it vouches for.
    if (equalBytes(issuer, subject))
      throw refusal('bundle', `a bundle ${version} without a root certificate`, 'one with it');
  }
  return { key: certificate.key, certificate };
}

/** Reads a public key in PEM: SubjectPublicKeyInfo, or PKCS #1 for RSA. */
export function parsePublicKeyPem(pem: string): VerifyingKey {
  const { label, der } = readPem(pem.trim(), ['PUBLIC KEY', 'RSA PUBLIC KEY']);
  return readVerifyingKey(label === 'PUBLIC KEY' ? der : spkiOfPkcs1(der));
}
