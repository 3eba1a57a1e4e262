export { createDeployer, type Deployer, type DeployerDeps } from './deployer.ts';
export { baseLabel, createReleases, type ImageSource } from './release/releases.ts';
export type { Outside } from './serving.ts';
export type { HeldSecret } from './target.ts';
