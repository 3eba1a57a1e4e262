import { equalBytes, utf8 } from '../bytes/bytes.ts';
import { type Digest, digestOf } from '../bytes/digest.ts';
import { verifyP256 } from '../crypto/signatures.ts';
import { inTotoPayloadType, pae } from '../dsse/envelope.ts';
import { parseStatement, type Statement } from '../dsse/statement.ts';
import { Fault } from '../fault.ts';
import { leafHash } from '../merkle/hash.ts';
import { verifyInclusion } from '../merkle/verify.ts';
import { predicateNameOf, readPredicate } from '../predicates/read.ts';
import { type Bundle, parseBundle } from '../sigstore/bundle.ts';
import { hashedRekordOf } from '../sigstore/hashedrekord.ts';
import { parseCheckpoint, verifyCheckpoint } from '../tlog/checkpoint.ts';
import type { TrustedKey, TrustedLog, TrustRoot } from '../trust/trust-root.ts';

export interface BundleExpectations {
  readonly expectSubject?: Digest;
  readonly expectPredicateType?: string;
}

/** What a bundle proves, once it was verified. */
export interface VerifiedBundle {
  readonly statement: Statement;
  readonly predicateType: string;
  readonly subject: Digest;
  /** SHA-256 of the bundle's text: how verdicts and desired states name it. */
  readonly bundleDigest: Digest;
  readonly logIndex: number;
  readonly treeSize: number;
}

/**
 * Verifies a piece of evidence with nothing but the trust root: no network, no clock. Each byte of the bundle is
 * bound: by the canonical form, by the signature, by the leaf that is rebuilt from the envelope, by the proof, or by
 * the checkpoint. Throws Fault `integrity`, whose cause says which check failed.
 */
export function verifyBundle(
  bundleText: string,
  trustRoot: TrustRoot,
  expectations: BundleExpectations = {},
): VerifiedBundle {
  const verified = refusing('formats.bundle_refused', 'a genuine evidence bundle', () =>
    prove(bundleText, trustRoot),
  );
  const { expectSubject, expectPredicateType } = expectations;
  if (expectSubject !== undefined && verified.subject !== expectSubject) {
    throw mismatch('subject', expectSubject, verified.subject);
  }
  if (expectPredicateType !== undefined && verified.predicateType !== expectPredicateType) {
    throw mismatch('predicate type', expectPredicateType, verified.predicateType);
  }
  return verified;
}

function prove(bundleText: string, trustRoot: TrustRoot): VerifiedBundle {
  const bundle = parseBundle(bundleText);
  const { envelope, logProof } = bundle;

  // Who signed: only a key of the trust root, found by its hint and believed for its signature.
  const key = trustRoot.keys.find((known) => known.hint === envelope.keyHint);
  if (key === undefined) throw broken('a key of the trust root');
  if (envelope.payloadType !== inTotoPayloadType) throw broken('an in-toto payload');
  if (!verifyP256(key.publicKey, pae(envelope.payloadType, envelope.payload), envelope.signature)) {
    throw broken('a valid signature');
  }

  // That it is in the log: the leaf is rebuilt, never taken from the bundle.
  const leaf = hashedRekordOf(envelope, key.publicKey);
  if (!equalBytes(leaf, bundle.canonicalizedBody)) throw broken('the leaf of this envelope');
  const log = trustRoot.logs.find((known) => equalBytes(known.keyId, bundle.logKeyId));
  if (log === undefined) throw broken('a log of the trust root');
  const checkpoint = proveCheckpoint(bundle, log);
  verifyInclusion({
    leafHash: leafHash(leaf),
    leafIndex: logProof.leafIndex,
    treeSize: checkpoint.treeSize,
    hashes: logProof.hashes,
    rootHash: checkpoint.rootHash,
  });
  requireInTime(key, log, logProof.leafIndex);

  // What it says.
  const statement = parseStatement(envelope.payload);
  const predicateName = predicateNameOf(statement.predicateType);
  if (predicateName !== undefined) readPredicate(predicateName, statement.predicate);
  return {
    statement,
    predicateType: statement.predicateType,
    subject: statement.subject.digest,
    bundleDigest: digestOf(utf8(bundleText)),
    logIndex: logProof.leafIndex,
    treeSize: logProof.treeSize,
  };
}

function proveCheckpoint({ logProof }: Bundle, log: TrustedLog) {
  // A second signature line would be bytes that nobody checks.
  if (parseCheckpoint(logProof.checkpoint).signatures.length !== 1)
    throw broken('a checkpoint with one signature');
  const checkpoint = verifyCheckpoint(logProof.checkpoint, [{ name: log.origin, publicKey: log.publicKey }]);
  const sameTree =
    checkpoint.treeSize === logProof.treeSize && equalBytes(checkpoint.rootHash, logProof.rootHash);
  if (!sameTree) throw broken('the tree of the checkpoint');
  return checkpoint;
}

/** A key that was retired, perhaps because it leaked, must not sign anything new: the log's order is our clock. */
function requireInTime(key: TrustedKey, log: TrustedLog, leafIndex: number): void {
  if (key.retired === undefined) return;
  if (key.retired.origin !== log.origin || leafIndex >= key.retired.logIndex) {
    throw broken('an entry from before the key was retired');
  }
}

function broken(expected: string): Fault {
  return new Fault('integrity', 'formats.bundle_check', `expected ${expected}, got something else`);
}

export function mismatch(what: string, expected: string | number, got: string | number): Fault {
  return new Fault(
    'integrity',
    'formats.bundle_mismatch',
    `expected evidence with ${what} ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`,
  );
}

/** Whatever goes wrong inside, the reader learns one thing: this is not to be believed. */
export function refusing<T>(code: string, expected: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new Fault('integrity', code, `expected ${expected}, got one that does not verify`, { cause });
  }
}
