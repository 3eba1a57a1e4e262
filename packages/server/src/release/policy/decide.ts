import { type Digest, describeRevocation, type Revocation } from '@sallyport/formats';
import { counted } from './cel.ts';
import type { Circumstances, EvidenceFacts, GateInput } from './facts.ts';
import type { CompiledGate, EnvironmentPolicy } from './policy.ts';

export interface GateResult {
  readonly gate: string;
  readonly origin: CompiledGate['origin'];
  readonly passed: boolean;
  readonly reason: string;
  /** What would satisfy it, empty when it passed. */
  readonly fix: string;
  readonly waits?: 'approval' | 'time';
  /** When time alone would satisfy it, if nothing else changes. ISO 8601. */
  readonly until?: string;
}

/**
 * The answer to "may this digest enter this environment now". `waiting`: every gate that refuses can still come true
 * for this very digest, by an approval or by time.
 */
export interface Verdict {
  readonly outcome: 'pass' | 'refuse' | 'waiting';
  readonly gates: readonly GateResult[];
  readonly evidence: readonly Digest[];
  readonly policyDigest: Digest;
  readonly decidedAt: string;
}

export interface EvidenceSet {
  readonly facts: EvidenceFacts;
  /** Digests of all bundles the facts were taken from, sorted. */
  readonly evidence: readonly Digest[];
  /** Evidence that was found and not believed: it counts for nothing, but the reader is told. */
  readonly rejected: readonly { readonly id: string; readonly reason: string }[];
  /** Entries of the revocation list that withdraw this digest, or all that says who built it. */
  readonly revoked: readonly Revocation[];
}

/**
 * Judges. Pure: the same arguments give the same verdict. Monotone: with less evidence no gate passes that refused
 * with more (monotone.ts, property test).
 */
export function decide(set: EvidenceSet, policy: EnvironmentPolicy, circumstances: Circumstances): Verdict {
  const input: GateInput = { ...countedFacts(set.facts), ...circumstances };
  const gates = [signatureValid(set), notRevoked(set), ...policy.gates.map((gate) => judge(gate, input))];
  const refusing = gates.filter((gate) => !gate.passed);
  const outcome =
    refusing.length === 0 ? 'pass' : refusing.every((gate) => gate.waits) ? 'waiting' : 'refuse';
  return {
    outcome,
    gates,
    evidence: set.evidence,
    policyDigest: policy.digest,
    decidedAt: circumstances.now.toISOString(),
  };
}

function countedFacts(facts: EvidenceFacts): EvidenceFacts {
  const { provenance, runs, tests, sboms, dependencies, sources, approvals, deployments } = facts;
  return {
    provenance: counted(provenance),
    runs: counted(runs),
    tests: counted(tests),
    sboms: counted(sboms),
    dependencies: counted(dependencies),
    sources: counted(sources),
    approvals: counted(approvals),
    deployments: counted(deployments),
  };
}

/** Cannot be removed: at least one piece of evidence whose signature, log proof and subject were checked just now. */
function signatureValid(set: EvidenceSet): GateResult {
  const passed = set.evidence.length > 0;
  const rejected = set.rejected.map(({ id, reason }) => `${id} (${reason})`).join(', ');
  const found = rejected === '' ? '' : `; not believed: ${rejected}`;
  return {
    gate: 'signature-valid',
    origin: 'minimum',
    passed,
    reason: passed
      ? `${set.evidence.length} statements verified against the trust root${found}`
      : `expected signed evidence about this digest, found none that verifies${found}`,
    fix: passed ? '' : 'build it here: only what a run of this installation built has evidence',
  };
}

/** Cannot be removed: nobody's definition lets in what this installation withdrew. */
function notRevoked({ revoked }: EvidenceSet): GateResult {
  const passed = revoked.length === 0;
  const isDigest = revoked.some(({ target }) => target.kind === 'digest');
  return {
    gate: 'not-revoked',
    origin: 'minimum',
    passed,
    reason: passed
      ? 'neither the digest nor who built it is revoked'
      : `expected nothing revoked, found ${revoked.map(describeRevocation).join('; ')}`,
    fix: passed
      ? ''
      : isDigest
        ? 'promote another release: this digest was withdrawn (sally revocations list)'
        : 'build it again with a builder and an identity that are not revoked (sally revocations list)',
  };
}

function judge(gate: CompiledGate, input: GateInput): GateResult {
  for (const clause of gate.clauses) {
    const outcome = clause.compiled.test(input);
    if (outcome.passed) continue;
    const until = clause.until?.(input);
    return {
      gate: gate.name,
      origin: gate.origin,
      passed: false,
      reason: outcome.error === undefined ? clause.reason(input) : `the gate gave an error: ${outcome.error}`,
      fix: clause.fix(input),
      ...(clause.waits === undefined || outcome.error !== undefined ? {} : { waits: clause.waits }),
      ...(until === undefined ? {} : { until: until.toISOString() }),
    };
  }
  return { gate: gate.name, origin: gate.origin, passed: true, reason: 'satisfied', fix: '' };
}

/** When a waiting verdict should be judged again although nothing happened; undefined when only people can help. */
export function wakeAt(verdict: Verdict): Date | undefined {
  const times = verdict.gates
    .filter((gate) => !gate.passed && gate.until !== undefined)
    .map((gate) => gate.until ?? '');
  const latest = times.sort().at(-1);
  return latest === undefined ? undefined : new Date(latest);
}
