import { describe, expect, it } from 'vitest';
import { identity, issuer, signedAt, testSigstore } from '../../test-support/sigstore.ts';
import { utf8 } from '../bytes/bytes.ts';
import { digestOf } from '../bytes/digest.ts';
import { toHex } from '../bytes/encodings.ts';
import { sha256 } from '../crypto/sha256.ts';
import { isFault } from '../fault.ts';
import type { Revocation, Revocations, RevocationTarget } from '../predicates/revocations.ts';
import { parseSigstoreBundle } from '../sigstore/document.ts';
import { parseSigstoreTrustedRoot } from '../sigstore/trusted-root.ts';
import { verifySigstoreBundle } from '../sigstore/verify.ts';
import { parseCertificate } from '../x509/certificate.ts';
import { requireSignatureNotRevoked } from './sigstore.ts';

const sigstore = testSigstore();
const trustedRoot = parseSigstoreTrustedRoot(sigstore.trustedRoot);
const artifact = utf8('the artifact');
const bundle = JSON.stringify(sigstore.bundle({ artifact, generation: 2 }));
const verified = verifySigstoreBundle({
  ...{ bundle, trustedRoot, artifact: { bytes: artifact } },
  policy: { identity, issuer },
});
const { material } = parseSigstoreBundle(bundle);
if (material.kind === 'key') throw new Error('expected a bundle with a certificate');
const certificate = parseCertificate(material.certificate);
const at = '2026-11-20T10:00:00Z';

function judged(target: RevocationTarget, from: Revocation['from'] = 'all'): string {
  const list: Revocations = {
    ...{ installation: 'example', sequence: 1, issuedAt: at, nextUpdate: '2026-11-21T10:00:00Z' },
    entries: [{ id: 'rev_1', target, from, reason: 'copied', by: { id: 'psn_1', name: 'Ada' }, at }],
  };
  try {
    requireSignatureNotRevoked(list, verified, bundle, trustedRoot);
  } catch (error) {
    if (isFault(error)) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('a signature by a certificate', () => {
  const serial = toHex(certificate.serial).replace(/^0+(?=.)/, '');
  const authority = trustedRoot.authorities
    .flatMap(({ chain }) => chain)
    .find(({ subject }) => toHex(subject) === toHex(certificate.issuer));
  const issuerKey = toHex(sha256(authority?.key.spki ?? new Uint8Array()));

  it('is refused when its identity, its certificate or what it signed is withdrawn', () => {
    expect(judged({ kind: 'identity', subject: identity, issuer })).toBe('formats.revoked');
    expect(judged({ kind: 'certificate', fingerprint: toHex(sha256(certificate.raw)) })).toBe(
      'formats.revoked',
    );
    expect(judged({ kind: 'serial', serial, issuerKey })).toBe('formats.revoked');
    expect(judged({ kind: 'digest', digest: digestOf(artifact) })).toBe('formats.revoked');
  });

  it('is not refused for another identity, issuer, certificate, authority or digest', () => {
    expect(judged({ kind: 'identity', subject: `${identity}x`, issuer })).toBe('accepted');
    expect(judged({ kind: 'identity', subject: identity, issuer: `${issuer}/x` })).toBe('accepted');
    expect(judged({ kind: 'certificate', fingerprint: 'ab'.repeat(32) })).toBe('accepted');
    expect(judged({ kind: 'serial', serial, issuerKey: 'ab'.repeat(32) })).toBe('accepted');
    expect(judged({ kind: 'serial', serial: `1${serial}`, issuerKey })).toBe('accepted');
    expect(judged({ kind: 'digest', digest: digestOf(utf8('other')) })).toBe('accepted');
  });

  it('is refused also when its authority is none of the trusted root by name', () => {
    const list: Revocations = {
      ...{ installation: 'example', sequence: 1, issuedAt: at, nextUpdate: '2026-11-21T10:00:00Z' },
      entries: [
        {
          ...{ id: 'rev_1', target: { kind: 'identity', subject: identity, issuer }, from: 'all', at },
          ...{ reason: 'copied', by: { id: 'psn_1', name: 'Ada' } },
        },
      ],
    };
    const bare = { ...trustedRoot, authorities: [] };
    expect(() => requireSignatureNotRevoked(list, verified, bundle, bare)).toThrow(/not revoked/);
  });

  it('is refused from the instant on that a trusted clock proves', () => {
    const since = (ms: number) => ({
      at: new Date(Number(new Date(signedAt)) + ms).toISOString(),
      logIndex: 0,
    });
    const target = { kind: 'identity', subject: identity, issuer } as const;
    expect(judged(target, since(-3_600_000))).toBe('formats.revoked');
    expect(judged(target, since(3_600_000))).toBe('accepted');
  });
});
