import { bundleFromJSON } from '@sigstore/bundle';
import { HashAlgorithm, PublicKeyDetails, TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { describe, expect, it } from 'vitest';
import {
  keyHint,
  type TestInstallation,
  testInstallation,
  testStatement,
} from '../../test-support/evidence.ts';
import { readVerifyingKey } from '../crypto/verifying-key.ts';
import { toSigstoreTrustedRoot } from '../trust/sigstore.ts';
import { parseSigstoreTrustedRoot } from './trusted-root.ts';
import { verifySigstoreBundle } from './verify.ts';

/** Verifies with Sigstore's own JavaScript client, which shares no code with ours. */
function verifyWithSigstore(bundle: string, { trustRoot }: TestInstallation): void {
  const root = TrustedRoot.fromJSON(JSON.parse(toSigstoreTrustedRoot(trustRoot)));
  const keys = Object.fromEntries(
    trustRoot.keys.map((key) => [
      key.hint,
      {
        rawBytes: Buffer.from(key.publicKey),
        keyDetails: PublicKeyDetails.PKIX_ECDSA_P256_SHA_256,
        validFor: { start: new Date(key.validFrom) },
      },
    ]),
  );
  // No timestamp authority is part of this installation; the log is required (tlogThreshold 1).
  const verifier = new Verifier(toTrustMaterial(root, keys), { timestampThreshold: 0, tlogThreshold: 1 });
  verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(bundle))));
}

describe('a bundle we make', () => {
  it('is accepted by @sigstore/verify with our trusted_root.json and the public key', () => {
    const installation = testInstallation();
    const [bundle = ''] = installation.seal(testStatement());

    verifyWithSigstore(bundle, installation);
  });

  it('is refused by it with the trust root of another installation', () => {
    const [bundle = ''] = testInstallation().seal(testStatement());

    expect(() => verifyWithSigstore(bundle, testInstallation())).toThrow();
  });

  it('is refused by it when payload, signature, proof or leaf is another', () => {
    const installation = testInstallation();
    const [first = '', second = ''] = installation.seal(
      testStatement(),
      testStatement('https://example.test/other'),
    );
    const donor = JSON.parse(second);
    const swaps: ((bundle: typeof donor) => void)[] = [
      (b) => (b.dsseEnvelope.payload = donor.dsseEnvelope.payload),
      (b) => (b.dsseEnvelope.signatures[0].sig = donor.dsseEnvelope.signatures[0].sig),
      (b) => b.verificationMaterial.tlogEntries[0].inclusionProof.hashes.pop(),
      (b) => (b.verificationMaterial.tlogEntries = donor.verificationMaterial.tlogEntries),
    ];
    for (const swap of swaps) {
      const bundle = JSON.parse(first);
      swap(bundle);
      expect(() => verifyWithSigstore(JSON.stringify(bundle), installation)).toThrow();
    }
  });

  it("is accepted by the verifier of anybody's bundles, for its key, as it has no clock but the log's order", () => {
    const installation = testInstallation();
    const [bundle = ''] = installation.seal(testStatement());
    const { subject } = testStatement();
    const question = {
      bundle,
      trustedRoot: parseSigstoreTrustedRoot(toSigstoreTrustedRoot(installation.trustRoot)),
      artifact: { digest: subject.digest },
    };
    const key = readVerifyingKey(installation.evidenceKey.spki);

    const verified = verifySigstoreBundle({ ...question, policy: { key, thresholds: { times: 0 } } });
    expect(verified.statement?.predicateType).toBe(testStatement().predicateType);
    expect(() => verifySigstoreBundle({ ...question, policy: { key } })).toThrow('times of 1 clocks');
    const other = readVerifyingKey(testInstallation().evidenceKey.spki);
    expect(() =>
      verifySigstoreBundle({ ...question, policy: { key: other, thresholds: { times: 0 } } }),
    ).toThrow(expect.objectContaining({ kind: 'integrity' }));
  });

  it('makes a trusted_root.json that names log, key and hash as Sigstore spells them', () => {
    const root = TrustedRoot.fromJSON(JSON.parse(toSigstoreTrustedRoot(testInstallation().trustRoot)));

    expect(root.tlogs[0]?.hashAlgorithm).toBe(HashAlgorithm.SHA2_256);
    expect(root.tlogs[0]?.publicKey?.keyDetails).toBe(PublicKeyDetails.PKIX_ED25519);
    expect(keyHint).not.toBe('');
  });

  it('begins the period of a log with a whole second, as the times in timestamps and entries are', () => {
    const { trustRoot } = testInstallation();
    const logs = trustRoot.logs.map((log) => ({ ...log, validFrom: '2026-01-02T03:04:05.678Z' }));
    const root = TrustedRoot.fromJSON(JSON.parse(toSigstoreTrustedRoot({ ...trustRoot, logs })));

    expect(root.tlogs[0]?.publicKey?.validFor?.start).toEqual(new Date('2026-01-02T03:04:05Z'));
  });
});
