export * from './agent.ts';
export * from './definition/model.ts';
export * from './primitives.ts';
