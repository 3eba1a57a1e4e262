import {
  type Digest,
  describeRevocation,
  digestRevoked,
  isFault,
  parseTrustRoot,
  predicateNameOf,
  type Revocation,
  type Revocations,
  readBuildParameters,
  readPredicate,
  signedByOf,
  signerRevoked,
  type TrustRoot,
  type VerifiedBundle,
  verifyBundle,
} from '@sallyport/formats';
import { type Evidence, testedStep } from '#signing';
import { fact } from './policy/cel.ts';
import type { EvidenceSet } from './policy/decide.ts';
import type { EvidenceFacts } from './policy/facts.ts';

/** A list per variable while it is filled. */
type Facts = { -readonly [K in keyof EvidenceFacts]: EvidenceFacts[K][number][] };

/** How many verified bundles are remembered; a bundle is named by the digest of its text, so nothing can go stale. */
const maxRemembered = 20_000;

/**
 * Turns stored evidence into what gates see. The row is never believed: each bundle's text is verified with `formats`
 * against the trust root, as a stranger would, and facts come from the verified statement alone. What does not verify,
 * or is about another subject, counts for nothing and is reported.
 */
export function createEvidenceReader() {
  let root: { document: string; trust: TrustRoot } | undefined;
  let remembered = new Map<string, VerifiedBundle>();

  function trustOf(document: string): TrustRoot {
    if (root?.document !== document) {
      root = { document, trust: parseTrustRoot(document) };
      // Verified under another trust root: a retired key may no longer count.
      remembered = new Map();
    }
    return root.trust;
  }

  function verify(bundle: string, subject: Digest, trust: TrustRoot): VerifiedBundle {
    // By the text itself: a digest column beside it could lie.
    const known = remembered.get(bundle);
    const verified = known ?? verifyBundle(bundle, trust);
    if (known === undefined) {
      if (remembered.size >= maxRemembered) remembered = new Map();
      remembered.set(bundle, verified);
    }
    if (verified.subject !== subject) throw new Error(`it is about ${verified.subject}`);
    return verified;
  }

  return {
    read(
      subject: Digest,
      evidence: readonly Evidence[],
      trustRootDocument: string,
      revocations: Revocations,
    ): EvidenceSet {
      const trust = trustOf(trustRootDocument);
      const facts: Facts = {
        provenance: [],
        runs: [],
        tests: [],
        sboms: [],
        dependencies: [],
        sources: [],
        approvals: [],
        deployments: [],
      };
      const digests: Digest[] = [];
      const rejected: { id: string; reason: string }[] = [];
      const withdrawn: Revocation[] = [];
      for (const each of evidence) {
        try {
          const verified = verify(each.bundle, subject, trust);
          const revoked = signerRevoked(revocations, signedByOf(verified));
          if (revoked !== undefined) {
            withdrawn.push(revoked);
            rejected.push({ id: each.id, reason: describeRevocation(revoked) });
            continue;
          }
          addFact(facts, verified);
          digests.push(verified.bundleDigest);
        } catch (error) {
          rejected.push({ id: each.id, reason: reasonOf(error) });
        }
      }
      return {
        facts: { ...facts, approvals: onePerPerson(facts.approvals) },
        evidence: digests.sort(),
        rejected,
        revoked: standing(digestRevoked(revocations, subject), withdrawn, facts),
      };
    },
  };
}

/** A withdrawn builder does no harm to bytes that another one, still believed, has built as well. */
function standing(
  ofDigest: Revocation | undefined,
  ofSigners: readonly Revocation[],
  { provenance }: EvidenceFacts,
): readonly Revocation[] {
  const signers = provenance.length > 0 ? [] : ofSigners;
  return [...new Set([...(ofDigest === undefined ? [] : [ofDigest]), ...signers])];
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && isFault(error.cause) ? error.cause : error;
  return cause instanceof Error ? cause.message : 'it does not verify';
}

function addFact(facts: Facts, verified: VerifiedBundle): void {
  const name = predicateNameOf(verified.predicateType);
  const evidence: string = verified.bundleDigest;
  const { predicate } = verified.statement;
  switch (name) {
    case 'provenance':
      facts.provenance.push(provenanceFact(predicate, evidence));
      return;
    case 'run': {
      const run = readPredicate('run', predicate);
      const steps = run.steps.map((step) =>
        fact('Step', { name: step.name, phase: step.phase, outcome: step.outcome }),
      );
      const { runId, outcome, trust } = run;
      facts.runs.push(fact('Run', { evidence, runId, outcome, trust, steps }));
      return;
    }
    case 'testResult': {
      const result = readPredicate('testResult', predicate);
      const tested = testedStep(result);
      if (tested === undefined) return;
      const passed = result.result === 'PASSED' && (result.failedTests ?? []).length === 0;
      facts.tests.push(fact('Test', { evidence, runId: tested.runId, name: tested.step, passed }));
      return;
    }
    case 'cyclonedx': {
      const sbom = readPredicate('cyclonedx', predicate);
      facts.sboms.push(fact('Sbom', { evidence, components: BigInt(sbom.components?.length ?? 0) }));
      return;
    }
    case 'dependencies':
      facts.dependencies.push(dependenciesFact(predicate, evidence));
      return;
    case 'source': {
      const { repository, ref, commit, signed, signer = '' } = readPredicate('source', predicate);
      facts.sources.push(fact('Source', { evidence, repository, ref, commit, signed, signer }));
      return;
    }
    case 'approval': {
      const approval = readPredicate('approval', predicate);
      if (approval.decision !== 'approved') return;
      const { project, service, environment, person } = approval;
      const at = new Date(approval.at);
      const values = {
        evidence,
        person: person.id,
        groups: [...person.groups],
        project,
        service,
        environment,
        at,
      };
      facts.approvals.push(fact('Approval', values));
      return;
    }
    case 'deployment': {
      const { project, service, environment, revision, health, at } = readPredicate('deployment', predicate);
      const place = { project, service, environment };
      const values = { evidence, ...place, revision: BigInt(revision), health, at: new Date(at) };
      facts.deployments.push(fact('Deployment', values));
      return;
    }
    case 'verdict':
    case 'desiredState':
    case undefined:
      // Our own conclusions, and what we only carry, are no ground for another conclusion.
      return;
  }
}

function provenanceFact(predicate: unknown, evidence: string): EvidenceFacts['provenance'][number] {
  const provenance = readPredicate('provenance', predicate);
  const { buildDefinition, runDetails } = provenance;
  const { parameters, complete } = parametersOf(provenance);
  return fact('Provenance', {
    evidence,
    builder: runDetails.builder.id,
    project: parameters.project ?? '',
    service: parameters.service ?? '',
    repository: parameters.repository ?? '',
    ref: parameters.ref ?? '',
    commit: parameters.commit ?? '',
    trust: parameters.trust ?? '',
    runId: runDetails.metadata?.invocationId ?? '',
    parametersComplete: complete,
    isolation: isolationOf(buildDefinition.internalParameters ?? {}),
    resolvedDependencies: BigInt(buildDefinition.resolvedDependencies?.length ?? 0),
  });
}

/** Incomplete or foreign parameters are a fact too: the gate refuses them and can say what it found. */
function parametersOf(provenance: Parameters<typeof readBuildParameters>[0]): {
  readonly parameters: Partial<ReturnType<typeof readBuildParameters>>;
  readonly complete: boolean;
} {
  try {
    return { parameters: readBuildParameters(provenance), complete: true };
  } catch {
    const { externalParameters } = provenance.buildDefinition;
    const entries = Object.entries(externalParameters).filter(([, value]) => typeof value === 'string');
    // Only texts are taken over, and only to be compared with what is expected.
    return { parameters: Object.fromEntries(entries), complete: false };
  }
}

/** `step:feature` for each protection that was in force in a step, for gates that ask for them. */
function isolationOf(internalParameters: Readonly<Record<string, unknown>>): string[] {
  const { steps } = internalParameters;
  if (!Array.isArray(steps)) return [];
  return steps.flatMap((step: unknown) => {
    if (typeof step !== 'object' || step === null || !('name' in step) || !('isolation' in step)) return [];
    const { name, isolation } = step;
    if (typeof isolation !== 'object' || isolation === null) return [];
    return Object.entries(isolation)
      .filter(([, value]) => value === true)
      .map(([feature]) => `${String(name)}:${feature}`);
  });
}

function dependenciesFact(predicate: unknown, evidence: string): EvidenceFacts['dependencies'][number] {
  const report = readPredicate('dependencies', predicate);
  const findings = report.findings.map(({ kind, severity, subject, message }) =>
    // `critical` of another examiner is at least as bad as our `high`.
    fact('Finding', { kind, severity: severity === 'critical' ? 'high' : severity, subject, message }),
  );
  return fact('Dependencies', {
    evidence,
    runId: report.runId,
    locked: BigInt(report.locked),
    fetched: BigInt(report.fetched),
    verified: BigInt(report.verified),
    mismatches: BigInt(report.mismatches),
    notInLock: BigInt(report.notInLock),
    notFetched: BigInt(report.notFetched),
    complete: report.complete,
    sbomMatchesFetched: report.sbomMatchesFetched,
    findings,
  });
}

/**
 * A person counts once per place however often they approve. Groups are joined, so that leaving one approval out can
 * never make the rest count for more.
 */
function onePerPerson(approvals: Facts['approvals']): Facts['approvals'] {
  const people = new Map<string, Facts['approvals'][number]>();
  for (const approval of approvals) {
    const key = `${approval.project}/${approval.service}/${approval.environment}/${approval.person}`;
    const first = people.get(key) ?? approval;
    const groups = [...new Set([...first.groups, ...approval.groups])];
    people.set(key, fact('Approval', { ...first, groups }));
  }
  return [...people.values()];
}
