import type { Backend } from '../backend.ts';
import { entityAliasPaths } from './entity-alias-paths.ts';
import { entityPaths } from './entity-paths.ts';
import { groupAliasPaths } from './group-alias-paths.ts';
import { groupPaths } from './group-paths.ts';
import { lookupPaths } from './lookup-paths.ts';
import { mergePaths } from './merge.ts';

/** Who is behind tokens: entities with their aliases at login methods, and groups of them. */
export const identityBackend: Backend = {
  type: 'identity',
  description: 'Entities, their aliases at login methods, and groups.',
  paths: [
    ...mergePaths,
    ...entityPaths,
    ...entityAliasPaths,
    ...groupPaths,
    ...groupAliasPaths,
    ...lookupPaths,
  ],
};
