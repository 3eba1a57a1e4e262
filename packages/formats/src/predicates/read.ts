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
import { predicateTypes } from './types.ts';
import { type Verdict, verdictShape } from './verdict.ts';

/** The TypeScript type of each known predicate, by the name in `predicateTypes`. */
export interface Predicates {
  readonly provenance: Provenance;
  readonly verdict: Verdict;
  readonly cyclonedx: CycloneDx;
  readonly testResult: TestResult;
  readonly run: Run;
  readonly dependencies: Dependencies;
  readonly source: Source;
  readonly approval: Approval;
  readonly deployment: Deployment;
  readonly desiredState: DesiredStatement;
}

export type PredicateName = keyof Predicates;

const shapes: { readonly [N in PredicateName]: Shape<Predicates[N]> } = {
  provenance: provenanceShape,
  verdict: verdictShape,
  cyclonedx: cycloneDxShape,
  testResult: testResultShape,
  run: runShape,
  dependencies: dependenciesShape,
  source: sourceShape,
  approval: approvalShape,
  deployment: deploymentShape,
  desiredState: desiredStateShape,
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
