export { releaseAudited } from './audited.ts';
export type { ReleaseDeps, ResourceEvent } from './context.ts';
export { releaseMigrations } from './migrations.ts';
export type { GateResult, Verdict } from './policy/decide.ts';
export { librarySummaries } from './policy/library.ts';
export { compilePolicy } from './policy/policy.ts';
export type { Place, Promotion, PromotionRequest, PromotionState } from './promotion/promotion.ts';
export {
  createRelease,
  type Declaration,
  type Offer,
  type Release,
} from './release.ts';
export { releaseRoutes } from './routes.ts';
export type { Approval, Hold } from './store.ts';
export type { EnvironmentStatus, PromotionView, TraceEntry, Why } from './views.ts';
