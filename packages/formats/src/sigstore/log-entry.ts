import { equalBytes, utf8 } from '../bytes/bytes.ts';
import { toBase64, toHex } from '../bytes/encodings.ts';
import { type VerifyingKey, verifySignature } from '../crypto/verifying-key.ts';
import { canonicalJson } from '../json/canonical.ts';
import { leafHash } from '../merkle/hash.ts';
import { verifyInclusion } from '../merkle/verify.ts';
import { type ParsedCheckpoint, parseCheckpoint } from '../tlog/checkpoint.ts';
import type { LogEntry } from './document.ts';
import { isSecondGeneration } from './entry-body.ts';
import { refusal } from './refusal.ts';
import type { SigstoreLog } from './trusted-root.ts';

/** What a log vouches for. */
export interface VerifiedEntry {
  readonly log: SigstoreLog;
  readonly entry: LogEntry;
  /** When the log says it took the entry, in milliseconds since 1970; undefined when it does not sign a time. */
  readonly time: number | undefined;
}

/** Verifies that a log of the trust root has the entry. Whatever the entry carries must hold: promise, proof, both. */
export function verifyLogEntry(entry: LogEntry, logs: readonly SigstoreLog[]): VerifiedEntry {
  const log = logs.find(({ keyId }) => equalBytes(keyId, entry.logId));
  if (log === undefined) throw refusal('log_entry', 'a log of the trust root', 'an entry of another');
  const { promise, proof } = entry;
  const proven = proof?.checkpoint !== undefined;
  if (promise !== undefined && isSecondGeneration(entry)) {
    throw refusal('log_entry', 'no promise beside an entry of the second generation', 'one');
  }
  if (promise === undefined && !proven)
    throw refusal('log_entry', 'a promise or a proof of the log', 'neither');
  if (promise !== undefined) requirePromise(entry, promise, log);
  if (proof?.checkpoint !== undefined) {
    const checkpoint = requireCheckpoint(proof.checkpoint, log, isSecondGeneration(entry));
    const sameTree =
      checkpoint.treeSize === proof.treeSize && equalBytes(checkpoint.rootHash, proof.rootHash);
    if (!sameTree)
      throw refusal('log_entry', 'a proof for the tree of its checkpoint', 'one for another tree');
    verifyInclusion({
      leafHash: leafHash(entry.body),
      leafIndex: proof.logIndex,
      treeSize: checkpoint.treeSize,
      hashes: proof.hashes,
      rootHash: checkpoint.rootHash,
    });
  }
  return { log, entry, time: promise === undefined ? undefined : entry.integratedTime * 1000 };
}

/** The signed entry timestamp of Rekor v1: over body, time, log and index in canonical JSON. */
function requirePromise(entry: LogEntry, promise: Uint8Array, log: SigstoreLog): void {
  const signed = canonicalJson({
    body: toBase64(entry.body),
    integratedTime: entry.integratedTime,
    logID: toHex(entry.logId),
    logIndex: entry.logIndex,
  });
  if (!verifySignature(log.key, 'sha256', utf8(signed), promise)) {
    throw refusal('log_entry', 'a promise that the log signed', 'another');
  }
}

/**
 * The checkpoint, if the log signed it. Its line may stand anywhere among cosignatures of witnesses, and beside lines of
 * keys we do not know (c2sp.org/signed-note); two lines of the log's own key refuse, and so does one that is wrong.
 */
function requireCheckpoint(text: string, log: SigstoreLog, secondGeneration: boolean): ParsedCheckpoint {
  const checkpoint = parseCheckpoint(text);
  if (!isOrigin(checkpoint.origin, log, secondGeneration)) {
    throw refusal(
      'log_entry',
      `a checkpoint of ${log.hostname}`,
      JSON.stringify(checkpoint.origin.slice(0, 100)),
    );
  }
  const own = checkpoint.signatures.filter(
    ({ name, keyHash }) => isName(name, log) && equalBytes(keyHash, log.keyHash),
  );
  const [signature, second] = own;
  if (signature === undefined)
    throw refusal('log_entry', 'a checkpoint that the log signed', 'one without its signature');
  if (second !== undefined) throw refusal('log_entry', 'one signature of the log', 'two by one key');
  if (!signedBy(log.key, checkpoint.signedText, signature.signature)) {
    throw refusal('log_entry', 'a checkpoint that the log signed', 'one with another signature');
  }
  return checkpoint;
}

function signedBy(key: VerifyingKey, text: string, signature: Uint8Array): boolean {
  return verifySignature(key, 'sha256', utf8(text), signature);
}

/** The first generation names its tree behind the host, the second is one tree per host. */
function isOrigin(origin: string, log: SigstoreLog, secondGeneration: boolean): boolean {
  if (secondGeneration) return origin === log.hostname || origin === log.host;
  const [, name] = /^(\S+) - \d{1,20}$/.exec(origin) ?? [];
  return name !== undefined && isName(name, log);
}

function isName(name: string, { host, hostname }: SigstoreLog): boolean {
  return name === hostname || name === host;
}
