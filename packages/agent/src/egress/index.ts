export { createEgress, type Egress, type EgressDeps, type JobEgress, type StepEgress } from './egress.ts';
export { defaultLimits, type EgressLimits } from './limits.ts';
export { registryFromNpmrc } from './npm/client-config.ts';
export { createLockIndex, type LockEntry, type LockIndex } from './npm/lock-index.ts';
export { mirrorAddress } from './npm/mirror.ts';
export type { PackagePolicy } from './npm/package-source.ts';
export type { Registry } from './npm/upstream.ts';
export { proxyAddress } from './proxy/proxy.ts';
export type { FetchedTool } from './tool.ts';
