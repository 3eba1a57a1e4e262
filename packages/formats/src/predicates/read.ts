import type { Shape } from '../json/shape.ts';
import {
  type CycloneDx,
  cycloneDxShape,
  type Dependencies,
  dependenciesShape,
  type Run,
  runShape,
  type Source,
  sourceShape,
  type TestResult,
  testResultShape,
} from './build-evidence.ts';
import { type Provenance, provenanceShape } from './provenance.ts';
import {
  type Approval,
  approvalShape,
  type Deployment,
  type DesiredStatement,
  deploymentShape,
  desiredStateShape,
} from './release-evidence.ts';
import { type Revocations, revocationsShape } from './revocations.ts';
import {
  type ReleaseOfPackage,
  type RuntimeTrace,
  releaseShape,
  runtimeTraceShape,
  type Spdx2,
  type Spdx3,
  spdx2Shape,
  spdx3Shape,
  spdxShape,
  type Vulns,
  vulnsShape,
} from './submitted.ts';
import { predicateTypes } from './types.ts';
import { type Verdict, verdictShape } from './verdict.ts';

/** The TypeScript type of each known predicate, by the name in `predicateTypes`. */
export interface Predicates {
  readonly provenance: Provenance;
  readonly verdict: Verdict;
  readonly cyclonedx: CycloneDx;
  readonly testResult: TestResult;
  readonly spdx: Spdx2 | Spdx3;
  readonly spdx2: Spdx2;
  readonly spdx3: Spdx3;
  readonly vulns: Vulns;
  readonly release: ReleaseOfPackage;
  readonly runtimeTrace: RuntimeTrace;
  readonly run: Run;
  readonly dependencies: Dependencies;
  readonly source: Source;
  readonly approval: Approval;
  readonly deployment: Deployment;
  readonly desiredState: DesiredStatement;
  readonly revocations: Revocations;
}

export type PredicateName = keyof Predicates;

const shapes: { readonly [N in PredicateName]: Shape<Predicates[N]> } = {
  provenance: provenanceShape,
  verdict: verdictShape,
  cyclonedx: cycloneDxShape,
  testResult: testResultShape,
  spdx: spdxShape,
  spdx2: spdx2Shape,
  spdx3: spdx3Shape,
  vulns: vulnsShape,
  release: releaseShape,
  runtimeTrace: runtimeTraceShape,
  run: runShape,
  dependencies: dependenciesShape,
  source: sourceShape,
  approval: approvalShape,
  deployment: deploymentShape,
  desiredState: desiredStateShape,
  revocations: revocationsShape,
};

// The keys of `predicateTypes` are those of `Predicates`: `shapes` would not compile otherwise.
const names = Object.keys(shapes) as PredicateName[];

/** Which of our predicates a type is; undefined for one we only carry. */
export function predicateNameOf(predicateType: string): PredicateName | undefined {
  return names.find((candidate) => predicateTypes[candidate] === predicateType);
}

/** Reads a predicate strictly; a Fault names the place that is wrong. */
export function readPredicate<N extends PredicateName>(predicateName: N, predicate: unknown): Predicates[N] {
  return shapes[predicateName](predicate, predicateName);
}
