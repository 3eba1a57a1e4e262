export type { LeaseClaim } from './jobs/fence.ts';
export { pipelineMigrations } from './migrations.ts';
export { createPipeline, type Pipeline, pipelineAudited } from './pipeline.ts';
export { builtQueue, type PipelineDeps, webhookMount } from './ports.ts';
export type { Repository } from './repositories/repository.ts';
export { pipelineRoutes } from './routes.ts';
export type { BuildRecord, CommitFacts, Run, Signatures, StepRecord, StepStatus } from './runs/run.ts';
export type { RunState } from './runs/states.ts';
export type { SignatureResult, SignatureStatus } from './signatures/verify.ts';
