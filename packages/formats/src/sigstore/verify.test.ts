import { createHash } from 'node:crypto';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { altNames, purpose, uriName } from '../../test-support/certificates.ts';
import { identity, issuer, signedAt, type TestBundle, testSigstore } from '../../test-support/sigstore.ts';
import { der } from '../asn1/write.ts';
import { utf8 } from '../bytes/bytes.ts';
import { digestOf } from '../bytes/digest.ts';
import { fromBase64, toBase64 } from '../bytes/encodings.ts';
import { readVerifyingKey } from '../crypto/verifying-key.ts';
import { isFault } from '../fault.ts';
import { parsePattern } from './pattern.ts';
import type { SigstorePolicy } from './policy.ts';
import { parseSigstoreTrustedRoot } from './trusted-root.ts';
import { type SigstoreQuestion, verifySigstoreBundle } from './verify.ts';

const sigstore = testSigstore();
const trustedRoot = parseSigstoreTrustedRoot(sigstore.trustedRoot);
const artifact = utf8('the artifact');
const digest = digestOf(artifact);
const policy: SigstorePolicy = { identity, issuer };
const statement = (...subjects: readonly object[]) => ({
  _type: 'https://in-toto.io/Statement/v1',
  subject: subjects,
  predicateType: 'https://slsa.dev/provenance/v1',
  predicate: { builder: 'b' },
});
const subject = { name: 'shop', digest: { sha256: digest.slice(7) } };

function verify(bundle: TestBundle, more: Partial<SigstoreQuestion> = {}) {
  const json = typeof bundle === 'string' ? bundle : JSON.stringify(bundle);
  return verifySigstoreBundle({ bundle: json, trustedRoot, artifact: { bytes: artifact }, policy, ...more });
}

/** The check that refuses. */
function refusedBy(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isFault(error)) return `${error.kind} ${error.code}`;
    throw error;
  }
  return 'accepted';
}

const oracle = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(sigstore.trustedRoot))));

describe('a genuine bundle', () => {
  it.each([1, 2] as const)(
    'says who signed what, when, and where it is logged (generation %i)',
    (generation) => {
      const bundle = sigstore.bundle({ artifact, generation });
      oracle.verify(toSignedEntity(bundleFromJSON(bundle), Buffer.from(artifact)));

      expect(verify(bundle)).toEqual({
        identity: { kind: 'uri', name: identity, issuer, claims: { 8: issuer } },
        artifact: digest,
        statement: undefined,
        times: [{ at: signedAt.getTime(), by: generation === 1 ? 'log' : 'timestamp authority' }],
        entries: [
          {
            log: `log${generation}.example`,
            logIndex: 1,
            kind: generation === 1 ? 'hashedrekord 0.0.1' : 'hashedrekord 0.0.2',
          },
        ],
      });
      expect(verify(bundle, { artifact: { digest } }).artifact).toBe(digest);
    },
  );

  it.each([1, 2] as const)('may hold a statement about the artifact (generation %i)', (generation) => {
    const bundle = sigstore.bundle({ statement: statement(subject), generation });
    oracle.verify(toSignedEntity(bundleFromJSON(bundle)));

    const verified = verify(bundle, { artifact: { digest } });
    expect(verified.statement).toMatchObject({ subjectName: 'shop', predicate: { builder: 'b' } });
  });

  it('is accepted for a pattern of the whole identity, and by two logs where two are asked for', () => {
    const bundle = sigstore.bundle({ artifact });
    const pattern = parsePattern('https://ci\\.example/[a-z]+/.*@refs/heads/(main|next)');
    expect(verify(bundle, { policy: { identity: pattern, issuer } }).identity?.name).toBe(identity);
    expect(
      refusedBy(() => verify(bundle, { policy: { identity: parsePattern('https://ci'), issuer } })),
    ).toContain('sigstore_identity');

    const leaf = sigstore.leaf();
    const [both, other] = [1, 2].map((generation) =>
      sigstore.bundle({ artifact, leaf, generation: generation as 1 | 2 }),
    );
    // ECDSA is random: the second entry is of another signature.
    both.verificationMaterial.tlogEntries.push(other.verificationMaterial.tlogEntries[0]);
    expect(refusedBy(() => verify(both))).toContain('sigstore_log_entry');
  });
});

describe('a bundle is refused', () => {
  type Change = (bundle: TestBundle, donor: TestBundle) => void;
  const entryOf = (bundle: TestBundle) => bundle.verificationMaterial.tlogEntries[0];
  const changes: readonly (readonly [string, 1 | 2, string, Change])[] = [
    ['of a version nobody knows', 2, 'bundle', (b) => (b.mediaType = b.mediaType.replace('v0.3', 'v0.4'))],
    [
      'with two contents',
      2,
      'bundle',
      (b) => (b.dsseEnvelope = { payload: 'YQ==', payloadType: 'a', signatures: [{ sig: 'YQ==' }] }),
    ],
    ['without content', 2, 'bundle', (b) => delete b.messageSignature],
    ['with certificate and key', 2, 'bundle', (b) => (b.verificationMaterial.publicKey = { hint: 'a' })],
    [
      'with a chain in version 0.3',
      2,
      'bundle',
      (b) => {
        b.verificationMaterial.x509CertificateChain = { certificates: [b.verificationMaterial.certificate] };
        delete b.verificationMaterial.certificate;
      },
    ],
    [
      'with a key hint in place of the certificate',
      2,
      'signer',
      (b) => {
        delete b.verificationMaterial.certificate;
        b.verificationMaterial.publicKey = { hint: 'a' };
      },
    ],
    [
      'with the certificate of another signer',
      2,
      'log_entry',
      (b, d) => (b.verificationMaterial.certificate = d.verificationMaterial.certificate),
    ],
    [
      'with the log entry of another artifact',
      2,
      'log_entry',
      (b, d) => (b.verificationMaterial.tlogEntries = d.verificationMaterial.tlogEntries),
    ],
    [
      'with the signature of another',
      2,
      'log_entry',
      (b, d) => (b.messageSignature.signature = d.messageSignature.signature),
    ],
    [
      'with the digest of another artifact',
      2,
      'artifact',
      (b) => (b.messageSignature.messageDigest.digest = toBase64(new Uint8Array(32))),
    ],
    [
      'with the timestamp of another signature',
      2,
      'timestamp',
      (b, d) =>
        (b.verificationMaterial.timestampVerificationData = d.verificationMaterial.timestampVerificationData),
    ],
    ['without any time', 2, 'threshold', (b) => delete b.verificationMaterial.timestampVerificationData],
    ['without log entry', 2, 'threshold', (b) => (b.verificationMaterial.tlogEntries = [])],
    [
      'with the proof of another tree',
      2,
      'log_entry',
      (b, d) => (entryOf(b).inclusionProof = entryOf(d).inclusionProof),
    ],
    [
      'with the checkpoint of another tree',
      2,
      'log_entry',
      (b, d) => (entryOf(b).inclusionProof.checkpoint = entryOf(d).inclusionProof.checkpoint),
    ],
    ['with another index in its proof', 2, 'log_entry', (b) => (entryOf(b).inclusionProof.logIndex = '0')],
    ['without checkpoint', 2, 'bundle', (b) => delete entryOf(b).inclusionProof.checkpoint],
    [
      'with the entry of a log nobody knows',
      2,
      'log_entry',
      (b) => (entryOf(b).logId.keyId = toBase64(new Uint8Array(32))),
    ],
    ['with a kind of entry nobody knows', 2, 'log_entry', (b) => (entryOf(b).kindVersion.kind = 'alpine')],
    [
      'with a promise beside a second generation entry',
      2,
      'log_entry',
      (b) => (entryOf(b).inclusionPromise = { signedEntryTimestamp: 'YQ==' }),
    ],
    [
      'with a checkpoint line twice',
      2,
      'log_entry',
      (b) => {
        const note: string = entryOf(b).inclusionProof.checkpoint.envelope;
        entryOf(b).inclusionProof.checkpoint.envelope = note + note.slice(note.indexOf('\u2014'));
      },
    ],
    [
      'with a checkpoint by an unknown key only',
      2,
      'log_entry',
      (b) => {
        const note: string = entryOf(b).inclusionProof.checkpoint.envelope;
        entryOf(b).inclusionProof.checkpoint.envelope = note.replace(
          /log2\.example \S+/,
          `log2.example ${toBase64(new Uint8Array(68))}`,
        );
      },
    ],
    [
      'with a checkpoint of another origin',
      1,
      'log_entry',
      (b) => {
        const note: string = entryOf(b).inclusionProof.checkpoint.envelope;
        entryOf(b).inclusionProof.checkpoint.envelope = note.replace(
          'log1.example - 42',
          'log1.example - 4x2',
        );
      },
    ],
    [
      'with another time of the log',
      1,
      'log_entry',
      (b) => (entryOf(b).integratedTime = String(Number(entryOf(b).integratedTime) + 1)),
    ],
    ['with another index of the log', 1, 'log_entry', (b) => (entryOf(b).logIndex = '2')],
    [
      'with the promise of another entry',
      1,
      'log_entry',
      (b, d) => (entryOf(b).inclusionPromise = entryOf(d).inclusionPromise),
    ],
    ['without promise, so without a time', 1, 'threshold', (b) => delete entryOf(b).inclusionPromise],
  ];

  it.each(changes)('%s (generation %i): %s', (_name, generation, check, change) => {
    const bundle = sigstore.bundle({ artifact, generation });
    change(bundle, sigstore.bundle({ artifact: utf8('another'), generation }));
    expect(refusedBy(() => verify(bundle))).toBe(`integrity formats.sigstore_${check}`);
  });

  it('whose leaf names two subjects, none, another purpose, or an issuer twice', () => {
    const other = uriName('https://other.example');
    const leaves = [
      [altNames(uriName(identity), other), 'identity'],
      [altNames(), 'identity'],
      [{ oid: '2.5.29.17', value: Uint8Array.of() }, 'identity'],
      [purpose('1.3.6.1.5.5.7.3.1'), 'certificate'],
      [{ oid: '1.3.6.1.4.1.57264.1.1', value: utf8('https://other.example') }, 'identity'],
      [{ oid: '1.3.6.1.4.1.57264.1.8', value: der.utf8String('https://other.example') }, 'identity'],
      [{ oid: '1.2.3.4', critical: true, value: der.null() }, 'certificate'],
      [{ oid: '2.5.29.19', critical: true, value: der.sequence(der.boolean(true)) }, 'certificate'],
    ] as const;
    for (const [replaced, check] of leaves) {
      const bundle = sigstore.bundle({ artifact, leaf: sigstore.leaf(replaced) });
      expect(refusedBy(() => verify(bundle))).toBe(`integrity formats.sigstore_${check}`);
    }
  });

  it('whose statement is about something else, about two subjects, has a key twice, or is none', () => {
    const another = { name: 'shop', digest: { sha256: '0'.repeat(64) } };
    const json = JSON.stringify(statement(subject));
    const statements = [
      statement(another),
      statement(subject, another),
      statement(),
      json.replace('"predicateType"', '"subject":[],"predicateType"'),
      '{}',
      json.replace('Statement/v1', 'Statement/v9'),
    ];
    for (const each of statements) {
      const bundle = sigstore.bundle({ statement: each });
      expect(refusedBy(() => verify(bundle))).toBe('integrity formats.sigstore_artifact');
    }
    const wrongToo = { ...subject, digest: { ...subject.digest, sha512: '0'.repeat(128) } };
    const unknown = { name: 'shop', digest: { md5: '0'.repeat(32) } };
    for (const each of [wrongToo, unknown]) {
      const bundle = sigstore.bundle({ statement: statement(each) });
      expect(refusedBy(() => verify(bundle))).toBe('integrity formats.sigstore_artifact');
    }
    const sha512 = createHash('sha512').update(artifact).digest('hex');
    const longer = sigstore.bundle({ statement: statement({ digest: { sha512 } }) });
    expect(verify(longer).artifact).toBe(digest);
    expect(refusedBy(() => verify(longer, { artifact: { digest } }))).toContain('sigstore_artifact');

    const many = sigstore.bundle({ statement: statement(another, subject) });
    expect(verify(many, { policy: { ...policy, subjects: 'many' } }).statement?.subjects).toBe(2);
  });

  it('for another artifact, identity, issuer, key, or more witnesses than it has', () => {
    const bundle = sigstore.bundle({ artifact });
    const asked: readonly (readonly [string, Partial<SigstoreQuestion>])[] = [
      ['artifact', { artifact: { bytes: utf8('another') } }],
      ['artifact', { artifact: { digest: digestOf(utf8('another')) } }],
      ['identity', { policy: { identity: `${identity}x`, issuer } }],
      ['identity', { policy: { identity, issuer: `${issuer}/` } }],
      ['identity', { policy: { identity } }],
      ['identity', { policy: {} }],
      ['threshold', { policy: { ...policy, thresholds: { logs: 2 } } }],
      ['threshold', { policy: { ...policy, thresholds: { times: 2 } } }],
      ['sct', { policy: { ...policy, thresholds: { scts: 2 } } }],
    ];
    for (const [check, more] of asked) {
      const refused = refusedBy(() => verify(bundle, more));
      // The artifact is compared with its digest first, and then with what the log has.
      expect(refused).toBe(`integrity formats.sigstore_${check}`);
    }
    const noTime = sigstore.bundle({ artifact });
    delete noTime.verificationMaterial.timestampVerificationData;
    expect(refusedBy(() => verify(noTime, { policy: { ...policy, thresholds: { times: 0 } } }))).toContain(
      'threshold',
    );
  });

  it('whose envelope has two signatures, whose chain is too long or brings its root, or whose DER has another spelling', () => {
    const twice = sigstore.bundle({ statement: statement(subject) });
    twice.dsseEnvelope.signatures.push(twice.dsseEnvelope.signatures[0]);
    expect(refusedBy(() => verify(twice))).toBe('integrity formats.sigstore_bundle');

    const chained = (...others: readonly Uint8Array[]): TestBundle => {
      const bundle = sigstore.bundle({ artifact });
      const material = bundle.verificationMaterial;
      bundle.mediaType = 'application/vnd.dev.sigstore.bundle+json;version=0.2';
      const rest = others.map((raw) => ({ rawBytes: toBase64(raw) }));
      material.x509CertificateChain = { certificates: [material.certificate, ...rest] };
      delete material.certificate;
      return bundle;
    };
    const { certificate } = sigstore.intermediate;
    expect(verify(chained(certificate)).artifact).toBe(digest);
    expect(refusedBy(() => verify(chained(...Array(10).fill(certificate))))).toContain('sigstore_bundle');
    expect(refusedBy(() => verify(chained(sigstore.root.certificate)))).toContain('sigstore_bundle');
    expect(refusedBy(() => verify(chained(Uint8Array.of(0x30, 0x80, 0, 0))))).toContain('sigstore_signer');
    let bomb = der.null();
    for (let i = 0; i < 3000; i++) bomb = der.sequence(bomb);
    expect(refusedBy(() => verify(chained(bomb)))).toContain('sigstore_signer');
  });

  it('whose key is not the one that was asked for, or whose two hints of it differ', () => {
    const leaf = sigstore.leaf();
    const bundle = sigstore.bundle({ artifact, leaf });
    const key = readVerifyingKey(leaf.key.spki);
    expect(verify(bundle, { policy: { key } }).identity?.name).toBe(identity);
    const other = readVerifyingKey(sigstore.leaf().key.spki);
    expect(refusedBy(() => verify(bundle, { policy: { key: other } }))).toContain('sigstore_signer');

    expect(verify(bundle, { policy: { ...policy, key } }).identity?.name).toBe(identity);
    for (const also of [{ identity: 'x', issuer }, { identity }, { issuer }]) {
      expect(refusedBy(() => verify(bundle, { policy: { ...also, key } }))).toContain('sigstore_identity');
    }

    const hinted = sigstore.bundle({ statement: statement(subject), leaf });
    delete hinted.verificationMaterial.certificate;
    hinted.verificationMaterial.publicKey = { hint: 'one' };
    hinted.dsseEnvelope.signatures[0].keyid = 'two';
    expect(refusedBy(() => verify(hinted, { policy: { key } }))).toContain('sigstore_signer');
    // One hint, and the key is right; but what the log has was to be verified with a certificate.
    hinted.dsseEnvelope.signatures[0].keyid = 'one';
    expect(refusedBy(() => verify(hinted, { policy: { key } }))).toContain('sigstore_log_entry');
    expect(refusedBy(() => verify(hinted, { policy: { ...policy, key } }))).toContain('sigstore_identity');
  });

  it('by a trust root whose authority, log, certificate log or clock is another or is not trusted at the time', () => {
    const bundle = JSON.stringify(sigstore.bundle({ artifact }));
    const root = JSON.parse(sigstore.trustedRoot);
    const other = JSON.parse(testSigstore().trustedRoot);
    for (const part of ['tlogs', 'ctlogs', 'certificateAuthorities', 'timestampAuthorities']) {
      for (const changed of [other[part], [], ended(root[part], '2026-03-01T12:04:59Z'), begun(root[part])]) {
        // The SCT is from the beginning of the certificate: five minutes before the signature.
        if (part === 'ctlogs' && JSON.stringify(changed).includes('12:04:59')) continue;
        const question = {
          trustedRoot: parseSigstoreTrustedRoot(JSON.stringify({ ...root, [part]: changed })),
        };
        expect(refusedBy(() => verify(bundle, question))).toMatch(/^integrity formats\.sigstore_/);
      }
      const last = ended(root[part], '2026-03-01T12:05:00Z');
      const question = { trustedRoot: parseSigstoreTrustedRoot(JSON.stringify({ ...root, [part]: last })) };
      expect(verify(bundle, question).artifact).toBe(digest);
    }
  });

  it('and so is a trust root without the beginning of a period, in another version, or with an id twice', () => {
    const root = JSON.parse(sigstore.trustedRoot);
    const without = structuredClone(root);
    delete without.tlogs[1].publicKey.validFor.start;
    const older = { ...root, mediaType: root.mediaType.replace('0.1', '0.2') };
    const twice = { ...root, tlogs: [...root.tlogs, root.tlogs[0]] };
    for (const each of [without, older, twice, { ...root, ctlogs: [{}] }]) {
      expect(() => parseSigstoreTrustedRoot(JSON.stringify(each))).toThrow(/^expected /);
    }
  });
});

const periodOf = (item: TestBundle) => item.publicKey?.validFor ?? item.validFor;
const changed = (items: TestBundle, change: (period: TestBundle) => void) => {
  const copy = structuredClone(items);
  for (const item of copy) change(periodOf(item));
  return copy;
};
const ended = (items: TestBundle, end: string) => changed(items, (period) => (period.end = end));
const begun = (items: TestBundle) => changed(items, (period) => (period.start = '2026-03-01T12:05:01Z'));

describe('beside @sigstore/verify', () => {
  it('accepts nothing that it refuses, whatever byte of a value is changed', () => {
    const bundles = ([1, 2] as const).flatMap((generation) => [
      sigstore.bundle({ artifact, generation }),
      sigstore.bundle({ statement: statement(subject), generation }),
    ]);
    const places = bundles.flatMap((bundle) => strings(bundle).map((path) => [bundle, path] as const));
    fc.assert(
      fc.property(
        fc.constantFrom(...places),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        ([genuine, path], at, bits) => {
          const bundle = structuredClone(genuine);
          const parent = path.slice(0, -1).reduce((value: TestBundle, key) => value[key], bundle);
          const key = path.at(-1) ?? '';
          parent[key] = flipped(parent[key], at, bits);
          const ours = refusedBy(() => verify(bundle));
          let theirs = 'accepted';
          try {
            oracle.verify(toSignedEntity(bundleFromJSON(bundle), Buffer.from(artifact)));
          } catch {
            theirs = 'refused';
          }
          if (theirs === 'refused') expect([path, ours]).not.toEqual([path, 'accepted']);
        },
      ),
      { numRuns: 400 },
    );
  });
});

/** Paths of all texts in a value. */
function strings(value: TestBundle, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value === 'string') return [path];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => strings(inner, [...path, key]));
}

/** The text with one character, or one byte behind its base64, changed. */
function flipped(text: string, at: number, bits: number): string {
  if (text.length >= 8 && text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text)) {
    const bytes = fromBase64(toBase64(fromBase64Loose(text)));
    const index = at % bytes.length;
    bytes[index] = (bytes[index] ?? 0) ^ bits;
    return toBase64(bytes);
  }
  const index = at % text.length;
  const code = text.charCodeAt(index);
  return text.slice(0, index) + String.fromCharCode(code === 0x35 ? 0x36 : 0x35) + text.slice(index + 1);
}

function fromBase64Loose(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}
