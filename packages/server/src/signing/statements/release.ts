import {
  type Approval,
  type Deployment,
  type DesiredStatement,
  type Digest,
  digestHex,
  type GateResult,
  type Place,
  placeUri,
} from '@sallyport/formats';
import { contentOf, type StatementContent, sentence } from './content.ts';

/** Statements about where a digest may go, shall go and did go. */

export function approvalStatement(approval: Approval): StatementContent {
  return contentOf('approval', {
    ...approval,
    ...(approval.reason === undefined ? {} : { reason: sentence(approval.reason) }),
  });
}

export function deploymentStatement(deployment: Deployment): StatementContent {
  return contentOf('deployment', {
    ...deployment,
    ...(deployment.reason === undefined ? {} : { reason: sentence(deployment.reason) }),
  });
}

export function desiredStateStatement(desired: DesiredStatement): StatementContent {
  return contentOf('desiredState', desired);
}

/**
 * What is claimed of builds that passed. Level 2 asks for a hosted platform, which a workstation is not and only the
 * operator knows. Level 3 is not claimed: the gates do not ask what each host enforced.
 */
export type BuildLevel = 'SLSA_BUILD_LEVEL_1' | 'SLSA_BUILD_LEVEL_2';

export interface VerdictRecord {
  readonly verifierId: string;
  readonly place: Place;
  readonly passed: boolean;
  readonly buildLevel: BuildLevel;
  readonly decidedAt: string;
  readonly policyDigest: Digest;
  /** Bundles that were judged. */
  readonly evidence: readonly Digest[];
  readonly gates: readonly GateResult[];
}

/** SLSA verification summary v1. A refusal is sealed as well as a pass, so that "why not" has a signed answer. */
export function verdictStatement(record: VerdictRecord): StatementContent {
  return contentOf('verdict', {
    verifier: { id: record.verifierId },
    timeVerified: record.decidedAt,
    resourceUri: placeUri(record.place),
    policy: {
      uri: `${placeUri(record.place)}#policy`,
      digest: { sha256: digestHex(record.policyDigest) },
    },
    inputAttestations: record.evidence.map((digest) => ({ digest: { sha256: digestHex(digest) } })),
    verificationResult: record.passed ? 'PASSED' : 'FAILED',
    verifiedLevels: record.passed ? [record.buildLevel] : [],
    slsaVersion: '1.2',
    sallyport_gates: record.gates.map((gate) => ({
      ...gate,
      ...(gate.reason === undefined ? {} : { reason: sentence(gate.reason) }),
      ...(gate.fix === undefined ? {} : { fix: sentence(gate.fix) }),
    })),
  });
}
