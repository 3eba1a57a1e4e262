import { describe, expect, it } from 'vitest';
import {
  ed25519Key,
  keyHint,
  origin,
  p256Key,
  testInstallation,
  testStatement,
} from '../../test-support/evidence.ts';
import { place, statementOf } from '../../test-support/statements.ts';
import { utf8 } from '../bytes/bytes.ts';
import { digestOf } from '../bytes/digest.ts';
import { inTotoPayloadType, signEnvelope } from '../dsse/envelope.ts';
import { statementBytes } from '../dsse/statement.ts';
import { isFault } from '../fault.ts';
import { canonicalJson } from '../json/canonical.ts';
import type { DesiredStatement } from '../predicates/release-evidence.ts';
import { placeUri, type Verdict } from '../predicates/verdict.ts';
import { checkpointKeyId, noteSignatureLine } from '../tlog/note.ts';
import { parseTrustRoot, signTrustRoot } from '../trust/trust-root.ts';
import { verifyBundle } from './bundle.ts';
import { verifyDesiredState } from './desired-state.ts';
import { verifyVerdict } from './verdict.ts';

const subject = digestOf(utf8('the image'));
const other = digestOf(utf8('another image'));
const installation = testInstallation();
const { trustRoot } = installation;

function seal(name: 'verdict', changes?: Partial<Verdict>, about?: typeof subject): string;
function seal(name: 'desiredState', changes?: Partial<DesiredStatement>, about?: typeof subject): string;
function seal(name: 'verdict' | 'desiredState', changes = {}, about = subject): string {
  return installation.seal(statementOf(name, about, changes))[0] ?? '';
}

/** What the refusal says; every refusal must be of kind integrity. */
function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isFault(error) && error.kind === 'integrity') return error.message;
    throw error;
  }
  return 'accepted';
}

describe('verifyBundle', () => {
  const bundle = installation.seal(testStatement())[0] ?? '';

  it('refuses evidence about another subject or of another type', () => {
    expect(refusal(() => verifyBundle(bundle, trustRoot, { expectSubject: other }))).toContain('subject');
    expect(
      refusal(() => verifyBundle(bundle, trustRoot, { expectPredicateType: 'https://example.test/x' })),
    ).toContain('predicate type');
  });

  it('refuses evidence of another installation, also under the same key hint and origin', () => {
    const foreign = testInstallation();

    expect(refusal(() => verifyBundle(bundle, foreign.trustRoot))).toContain('does not verify');
    expect(refusal(() => verifyBundle(foreign.seal(testStatement())[0] ?? '', trustRoot))).toContain(
      'does not verify',
    );
    expect(refusal(() => verifyBundle(bundle, { ...trustRoot, logs: foreign.trustRoot.logs }))).toContain(
      'does not verify',
    );
    expect(refusal(() => verifyBundle(bundle, { ...trustRoot, keys: foreign.trustRoot.keys }))).toContain(
      'does not verify',
    );
  });

  it('refuses a genuine signature over a predicate whose shape is wrong', () => {
    const wrong = { ...statementOf('approval', subject), predicate: { decision: 'approved' } };

    expect(refusal(() => verifyBundle(installation.seal(wrong)[0] ?? '', trustRoot))).toContain(
      'does not verify',
    );
  });

  it('refuses what is properly logged and not signed by the evidence key', () => {
    const thief = p256Key();
    const content = { payloadType: inTotoPayloadType, payload: statementBytes(testStatement()), keyHint };
    const forged = signEnvelope(content, thief.sign, thief.spki);

    expect(refusal(() => verifyBundle(installation.log(forged)[0] ?? '', trustRoot))).toContain(
      'does not verify',
    );
  });

  it('refuses a genuine, logged signature over a payload of another type', () => {
    const { evidenceKey } = installation;
    const content = { payloadType: 'text/plain', payload: statementBytes(testStatement()), keyHint };
    const signed = signEnvelope(content, evidenceKey.sign, evidenceKey.spki);

    expect(refusal(() => verifyBundle(installation.log(signed)[0] ?? '', trustRoot))).toContain(
      'does not verify',
    );
  });

  it('refuses a signature line beside that of the log, which nobody would check', () => {
    const json = JSON.parse(bundle);
    const { checkpoint } = json.verificationMaterial.tlogEntries[0].inclusionProof;
    const witness = ed25519Key();
    checkpoint.envelope += noteSignatureLine(
      'witness.test',
      checkpointKeyId('witness.test', witness.spki),
      witness.sign(utf8(checkpoint.envelope.split('\n\n')[0])),
    );

    expect(refusal(() => verifyBundle(canonicalJson(json), trustRoot))).toContain('does not verify');
  });

  it('refuses parts of two genuine bundles put together', () => {
    const [first = '', second = ''] = installation.seal(
      testStatement(),
      testStatement('https://example.test/2'),
    );
    const a = JSON.parse(first);
    const b = JSON.parse(second);

    for (const mixed of [
      { ...a, dsseEnvelope: b.dsseEnvelope },
      { ...a, verificationMaterial: b.verificationMaterial },
    ]) {
      expect(refusal(() => verifyBundle(JSON.stringify(mixed), trustRoot))).toContain('does not verify');
    }
  });

  it('believes a retired key below its end and nowhere else', () => {
    const upTo = (logIndex: number, log = origin) => {
      const [key] = trustRoot.keys;
      if (key === undefined) throw new Error('the trust root has a key');
      return { ...trustRoot, keys: [{ ...key, retired: { origin: log, logIndex } }] };
    };

    expect(verifyBundle(bundle, upTo(3)).logIndex).toBe(2);
    expect(refusal(() => verifyBundle(bundle, upTo(2)))).toContain('does not verify');
    expect(refusal(() => verifyBundle(bundle, upTo(3, 'other.example.test')))).toContain('does not verify');
  });

  it.each(['', '{}', 'null', '[', '{"mediaType":"x"}', '\ud800', '['.repeat(100_000)])(
    'refuses %j',
    (text) => {
      expect(refusal(() => verifyBundle(text, trustRoot))).toContain('does not verify');
    },
  );
});

describe('verifyVerdict', () => {
  const expected = { subject, resourceUri: placeUri(place) };

  it('accepts a verdict that passed', () => {
    expect(verifyVerdict(seal('verdict'), trustRoot, expected).verdict.verificationResult).toBe('PASSED');
  });

  it('refuses everything else', () => {
    const elsewhere = placeUri({ ...place, environment: 'stage' });
    const failed = seal('verdict', {
      verificationResult: 'FAILED',
      sallyport_gates: [{ name: 'approvals', result: 'refuse' }],
    });

    expect(refusal(() => verifyVerdict(failed, trustRoot, expected))).toContain('PASSED');
    expect(refusal(() => verifyVerdict(seal('verdict', {}, other), trustRoot, expected))).toContain(
      'subject',
    );
    expect(
      refusal(() => verifyVerdict(seal('verdict', { resourceUri: elsewhere }), trustRoot, expected)),
    ).toContain('resource');
    expect(
      refusal(() =>
        verifyVerdict(seal('verdict', { verifier: { id: 'https://evil.test/' } }), trustRoot, expected),
      ),
    ).toContain('verifier');
    expect(refusal(() => verifyVerdict(seal('desiredState'), trustRoot, expected))).toContain(
      'predicate type',
    );
  });
});

describe('verifyDesiredState', () => {
  const verdict = seal('verdict');
  const rests = { verdict: digestOf(utf8(verdict)) };
  const expected = { ...place, subject, verdict, revision: 3, ociRepository: 'shop/orders' };

  it('accepts a desired state that rests on its verdict', () => {
    const verified = verifyDesiredState(seal('desiredState', rests), trustRoot, {
      ...expected,
      minRevision: 3,
    });

    expect(verified.desired.revision).toBe(3);
    expect(verified.verdict.verdict.verificationResult).toBe('PASSED');
  });

  it.each([
    ['another image', rests, { subject: other }, 'subject'],
    ['another project', { ...rests, project: 'other' }, {}, 'project'],
    ['another environment', { ...rests, environment: 'stage' }, {}, 'environment'],
    ['another service', { ...rests, service: 'cart' }, {}, 'service'],
    ['another revision', { ...rests, revision: 4 }, {}, 'revision'],
    ['an old revision, replayed', rests, { minRevision: 4 }, 'revision'],
    ['another repository', { ...rests, ociRepository: 'shop/cart' }, {}, 'repository'],
    ['another verdict', { verdict: other }, {}, 'verdict'],
    [
      'a verdict about another environment',
      rests,
      { verdict: seal('verdict', { resourceUri: placeUri({ ...place, environment: 'dev' }) }) },
      'resource',
    ],
    [
      'a verdict that failed',
      rests,
      { verdict: seal('verdict', { verificationResult: 'FAILED' }) },
      'PASSED',
    ],
    ['no verdict', rests, { verdict: '' }, 'does not verify'],
  ])('refuses %s', (_, statement, expectation, message) => {
    const bundle = seal('desiredState', statement);

    expect(refusal(() => verifyDesiredState(bundle, trustRoot, { ...expected, ...expectation }))).toContain(
      message,
    );
  });
});

describe('parseTrustRoot', () => {
  it('gives what was signed', () => {
    expect(parseTrustRoot(installation.trustRootText)).toEqual(trustRoot);
  });

  it('refuses a key that signs for itself under the hint of another, and what does not fit together', () => {
    const { evidenceKey } = installation;
    const [key] = trustRoot.keys;
    const [log] = trustRoot.logs;
    if (key === undefined || log === undefined) throw new Error('the trust root has a key and a log');
    const sign = (changes: object) => signTrustRoot({ ...trustRoot, ...changes }, key.hint, evidenceKey.sign);

    expect(() => signTrustRoot(trustRoot, 'nobody', evidenceKey.sign)).toThrow(/signed by one of its keys/);
    expect(() => signTrustRoot(trustRoot, key.hint, testInstallation().evidenceKey.sign)).toThrow(
      /signed by one/,
    );
    expect(() => sign({ keys: [] })).toThrow(/1 to 32/);
    expect(() => sign({ logs: [] })).toThrow(/1 to 16/);
    expect(() => sign({ keys: [key, key] })).toThrow(/one key per hint/);
    expect(() => sign({ logs: [log, log] })).toThrow(/each log once/);
    expect(() => sign({ logs: [{ ...log, origin: 'elsewhere.test' }] })).toThrow(/key ids that belong/);
    expect(() => sign({ logs: [{ ...log, origin: 'https://x.test' }] })).toThrow(/origin/);
    expect(() => sign({ keys: [{ ...key, publicKey: log.publicKey }] })).toThrow(/P-256/);
    expect(() => sign({ keys: [{ ...key, extra: 1 }] })).toThrow(/only the keys/);
    expect(() => sign({ keys: [{ ...key, validFrom: 'yesterday' }] })).toThrow(/validFrom/);
  });
});
