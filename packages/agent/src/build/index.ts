export { type Builder, type BuilderDeps, createBuilder } from './builder.ts';
export { type LocalProgress, runLocal } from './local.ts';
export { createMask, type Mask } from './masking/mask.ts';
export type { Blob, ImageRegistry, JobPort } from './port.ts';
