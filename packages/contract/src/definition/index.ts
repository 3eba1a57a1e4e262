export { parseDuration } from './duration.ts';
export * from './model.ts';
export { type NormalizedDefinition, normalizeDefinition } from './normalize.ts';
export { parseDefinition } from './parse.ts';
export { definitionJsonSchema } from './schema.ts';
