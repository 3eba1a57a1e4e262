export * from './agent.ts';
export * from './definition/index.ts';
export * from './primitives.ts';
