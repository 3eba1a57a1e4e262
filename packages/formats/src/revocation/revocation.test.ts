import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { testInstallation } from '../../test-support/evidence.ts';
import { examples } from '../../test-support/statements.ts';
import { utf8 } from '../bytes/bytes.ts';
import { digestOf } from '../bytes/digest.ts';
import { isFault } from '../fault.ts';
import { readPredicate } from '../predicates/read.ts';
import type {
  Revocation,
  RevocationEntry,
  Revocations,
  RevocationTarget,
} from '../predicates/revocations.ts';
import { predicateTypes } from '../predicates/types.ts';
import { describeRevocation, digestRevoked, revokedFault, signerRevoked } from './judge.ts';
import { requireFresh, revocationsSubject, verifyRevocations } from './list.ts';

const at = '2026-11-20T10:00:00Z';
const digest = digestOf(utf8('app'));
const builder = 'https://sallyport.example.test/builder';
const by = { id: 'per_1', name: 'Ada' };

function revoked(id: string, target: RevocationTarget, from: Revocation['from'] = 'all'): Revocation {
  return { id, target, from, reason: 'it leaked', by, at };
}

function listOf(entries: readonly RevocationEntry[], changes: Partial<Revocations> = {}): Revocations {
  return {
    ...{ installation: 'example', sequence: 1, issuedAt: at, nextUpdate: '2026-11-21T10:00:00Z' },
    entries,
    ...changes,
  };
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isFault(error)) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('verifyRevocations', () => {
  const installation = testInstallation();
  const seal = (list: object, subject = revocationsSubject('example'), by = installation): string =>
    by.seal({ subject, predicateType: predicateTypes.revocations, predicate: list })[0] ?? '';
  const one = revoked('rev_1', { kind: 'digest', digest });
  const two = revoked('rev_2', { kind: 'builder', builder });
  const known = { list: listOf([one], { sequence: 5 }) };
  const verify = (list: Revocations) => verifyRevocations(seal(list), installation.trustRoot, known);

  it('gives the list of this installation, and the next one', () => {
    expect(verify(known.list).list).toEqual(known.list);
    const next = listOf([one, two], { sequence: 6 });
    expect(verify(next).list).toEqual(next);
  });

  it.each([
    ['an older list', listOf([one], { sequence: 4 }), 'formats.revocations_rollback'],
    ['another list of the same number', listOf([one, two], { sequence: 5 }), 'formats.revocations_rollback'],
    ['a list with an entry removed', listOf([], { sequence: 6 }), 'formats.revocations_shortened'],
    ['a list with an entry replaced', listOf([two], { sequence: 6 }), 'formats.revocations_shortened'],
    [
      'a list with an entry weakened',
      listOf([{ ...one, target: two.target, from: { at, logIndex: 9 } }], { sequence: 6 }),
      'formats.revocations_shortened',
    ],
    ['entries in another order', listOf([two, one], { sequence: 6 }), 'formats.revocations_shortened'],
  ])('refuses %s', (_, list, code) => {
    expect(codeOf(() => verify(list))).toBe(code);
  });

  it('refuses the list of another installation, by its key, its subject or its name', () => {
    const list = listOf([one]);
    const { trustRoot } = installation;
    const stranger = seal(list, revocationsSubject('example'), testInstallation());
    expect(codeOf(() => verifyRevocations(stranger, trustRoot))).toBe('formats.bundle_refused');
    const elsewhere = seal(list, revocationsSubject('other'));
    expect(codeOf(() => verifyRevocations(elsewhere, trustRoot))).toBe('formats.bundle_mismatch');
    const misnamed = seal(listOf([one], { installation: 'other' }));
    expect(codeOf(() => verifyRevocations(misnamed, trustRoot))).toBe('formats.bundle_mismatch');
  });

  it('is fresh before its bound and not at it, and not long before it was issued', () => {
    const freshAt = (now: string) => codeOf(() => requireFresh(known, new Date(now)));
    expect(freshAt('2026-11-21T09:59:59Z')).toBe('accepted');
    expect(freshAt('2026-11-21T10:00:00Z')).toBe('formats.revocations_stale');
    expect(freshAt('2026-11-20T09:56:00Z')).toBe('accepted');
    expect(freshAt('2026-11-20T09:54:59Z')).toBe('formats.revocations_early');
  });
});

describe('a revocation list as it is read', () => {
  const one = revoked('rev_1', { kind: 'builder', builder });
  const future = '2026-11-20T10:00:01Z';
  const restore = { id: 'rev_2', restores: 'rev_1', from: { at, logIndex: 3 }, reason: 'new key', by, at };

  it.each<[string, object]>([
    ['an entry with an instant to come', listOf([{ ...one, from: { at: future, logIndex: 1 } }])],
    ['an entry written in the future', listOf([{ ...one, at: future }])],
    ['no time of validity', listOf([], { nextUpdate: at })],
    ['a validity without an end in sight', listOf([], { nextUpdate: '2027-11-20T10:00:00Z' })],
    ['two entries of one id', listOf([one, one])],
    ['sequence zero', listOf([], { sequence: 0 })],
    ['a restoration of nothing', listOf([restore])],
    ['a restoration before its revocation', listOf([restore, one])],
    [
      'a restoration of a restoration',
      listOf([one, restore, { ...restore, id: 'rev_3', restores: 'rev_2' }]),
    ],
    [
      'a digest withdrawn in part',
      listOf([revoked('rev_1', { kind: 'digest', digest }, { at, logIndex: 1 })]),
    ],
    ['a blank reason', listOf([{ ...one, reason: ' ' }])],
    ['an entry of another kind', { ...listOf([]), entries: [{ ...one, target: { kind: 'everything' } }] }],
    ['a kind that is a method', { ...listOf([]), entries: [{ ...one, target: { kind: 'toString' } }] }],
    ['a key nobody reads', { ...listOf([]), entries: [{ ...one, until: future }] }],
    [
      'a serial with leading zeros',
      listOf([revoked('rev_1', { kind: 'serial', serial: '01', issuerKey: 'ab'.repeat(32) })]),
    ],
    ['too many entries', listOf(Array.from({ length: 2001 }, (_, i) => ({ ...one, id: `rev_${i}` })))],
  ])('is refused with %s', (_, list) => {
    expect(codeOf(() => readPredicate('revocations', list))).toBe('formats.shape');
  });

  it('gives a Fault or a list for any value, and nothing else', () => {
    const anything = fc.oneof(
      fc.jsonValue(),
      fc.record({ ...Object.fromEntries(Object.keys(listOf([])).map((key) => [key, fc.jsonValue()])) }),
      fc.array(fc.jsonValue()).map((entries) => ({ ...listOf([]), entries })),
    );
    fc.assert(
      fc.property(anything, (value) => {
        const code = codeOf(() => readPredicate('revocations', value));
        return code === 'formats.shape' || code === 'accepted';
      }),
    );
  });
});

describe('what a list withdraws', () => {
  const certificate = { fingerprint: 'ab'.repeat(32), serial: '1f', issuerKey: 'cd'.repeat(32) };
  const identity = { subject: 'https://git.example.test/x', issuer: 'https://issuer.example.test' };
  const all = { builder, certificate, identity };

  it.each<[RevocationTarget]>([
    [{ kind: 'builder', builder }],
    [{ kind: 'certificate', fingerprint: certificate.fingerprint }],
    [{ kind: 'serial', serial: '1f', issuerKey: certificate.issuerKey }],
    [{ kind: 'identity', ...identity }],
  ])('is what %j names, and nothing else', (target) => {
    const list = listOf([revoked('rev_1', target)]);
    expect(signerRevoked(list, all)?.id).toBe('rev_1');
    expect(signerRevoked(list, {})).toBeUndefined();
    const other = {
      builder: `${builder}/2`,
      certificate: { ...certificate, fingerprint: 'ef'.repeat(32), serial: '20' },
      identity: { ...identity, issuer: 'https://other.example.test' },
    };
    expect(signerRevoked(list, other)).toBeUndefined();
    expect(digestRevoked(list, digest)).toBeUndefined();
  });

  it('is a digest as a whole', () => {
    const list = listOf([revoked('rev_1', { kind: 'digest', digest })]);
    expect(digestRevoked(list, digest)?.id).toBe('rev_1');
    expect(digestRevoked(list, digestOf(utf8('other')))).toBeUndefined();
  });

  it('is what was signed from an instant on: by the log first, then by a proven time, else all', () => {
    const list = listOf([revoked('rev_1', { kind: 'builder', builder }, { at, logIndex: 10 })]);
    expect(signerRevoked(list, { builder, logIndex: 9, signedAt: '2027-01-01T00:00:00Z' })).toBeUndefined();
    expect(signerRevoked(list, { builder, logIndex: 10, signedAt: '2020-01-01T00:00:00Z' })?.id).toBe(
      'rev_1',
    );
    expect(signerRevoked(list, { builder, signedAt: '2026-11-20T09:59:59Z' })).toBeUndefined();
    expect(signerRevoked(list, { builder, signedAt: at })?.id).toBe('rev_1');
    expect(signerRevoked(list, { builder })?.id).toBe('rev_1');
  });

  it('ends with a restoration for what is signed from there on, and for that alone', () => {
    const restore = {
      id: 'rev_2',
      restores: 'rev_1',
      from: { at, logIndex: 10 },
      reason: 'new host',
      by,
      at,
    };
    const list = listOf([revoked('rev_1', { kind: 'builder', builder }), restore]);
    expect(signerRevoked(list, { builder, logIndex: 9 })?.id).toBe('rev_1');
    expect(signerRevoked(list, { builder, logIndex: 10 })).toBeUndefined();
    expect(signerRevoked(list, { builder })?.id).toBe('rev_1');
    const given = listOf([revoked('rev_1', { kind: 'digest', digest }), restore]);
    expect(digestRevoked(given, digest)).toBeUndefined();
  });

  it('is told with who, when, why and what to do', () => {
    const fault = revokedFault(revoked('rev_1', { kind: 'builder', builder }), 'a release');
    expect(fault.message).toBe(
      `expected a release that is not revoked, got builder ${builder}, revoked by Ada at ${at} (rev_1): it leaked`,
    );
    expect(fault.code).toBe('formats.revoked');
    expect(fault.hint).toContain('build it again');
    const texts = examples.revocations.entries.flatMap((each) =>
      'target' in each ? [describeRevocation(each)] : [],
    );
    expect(texts.every((text) => text.includes('revoked') && text.includes('it leaked'))).toBe(true);
  });
});
