export {
  type Authority,
  type AuthorityDeps,
  authorityAudited,
  createAuthority,
} from './authority/authority.ts';
export { authorityRoutes } from './authority/routes.ts';
export type {
  AttachReferrer,
  Evidence,
  EvidenceLog,
  EvidenceSigner,
  IdentityUris,
  SealRequest,
  Signing,
} from './evidence.ts';
export {
  createFederation,
  type Federation,
  type FederationDeps,
  federationAudited,
} from './federation/federation.ts';
export { federationRoutes } from './federation/routes.ts';
export { signingMigrations } from './migrations.ts';
export { createAdmission, type RekorWriters } from './rekor/admission.ts';
export { createRekor, type Rekor } from './rekor/rekor.ts';
export { rekorRoutes } from './rekor/routes.ts';
export { type CurrentRevocations, createRevocations, type Revocations } from './revocation/revocations.ts';
export { revocationRoutes } from './revocation/routes.ts';
export { signingRoutes } from './routes.ts';
export { createSigning, type SigningDeps, signingAudited } from './signing.ts';
export {
  dependenciesStatement,
  runStatement,
  sbomStatement,
  sourceStatement,
  type TestRecord,
  testedStep,
  testResultStatement,
} from './statements/build.ts';
export type { StatementContent } from './statements/content.ts';
export { type BuildRecord, type BuildStepRecord, provenanceStatement } from './statements/provenance.ts';
export {
  approvalStatement,
  type BuildLevel,
  deploymentStatement,
  desiredStateStatement,
  type VerdictRecord,
  verdictStatement,
} from './statements/release.ts';
export { timestampsAudited } from './timestamp/authorities.ts';
export { timestampRoutes } from './timestamp/routes.ts';
export { createTimestamps, type Timestamps } from './timestamp/timestamps.ts';
export { trustRoutes } from './trust/routes.ts';
export { createTrust, type Trust, trustAudited } from './trust/trust.ts';
