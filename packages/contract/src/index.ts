export * from './agent.ts';
export * from './definition/index.ts';
export * from './federation.ts';
export * from './inventory.ts';
export * from './pipeline.ts';
export * from './primitives.ts';
export * from './release.ts';
