export type { CycloneDx, CycloneDxComponent } from './cyclonedx.ts';
export { type DependencyReport, type Examination, type ExamineInput, examine } from './examine.ts';
export { type Finding, type FindingKind, findingKinds } from './finding.ts';
