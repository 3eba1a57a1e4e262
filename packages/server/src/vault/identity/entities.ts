import type { Turn } from '#journal';
import { jsonCodec } from '../records.ts';

/** A person or program, however it signs in. */
export interface Entity {
  readonly id: string;
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly policies: readonly string[];
  readonly aliases: readonly Alias[];
  readonly disabled: boolean;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly mergedIds: readonly string[];
}

/** What one login method calls an entity. */
export interface Alias {
  readonly id: string;
  readonly name: string;
  readonly mountAccessor: string;
  readonly mountPath: string;
  readonly mountType: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly customMetadata: Readonly<Record<string, string>>;
  readonly createdAt: number;
  readonly updatedAt: number;
}

const codec = jsonCodec<Entity>(true);
const idCodec = jsonCodec<string>(true);

/**
 * Where entities are, in the system's scope: `identity/entity/<id>`, and ways to find them:
 * `identity/entity-name/<name>`, `identity/alias/<alias id>`, `identity/alias-of/<mount accessor>/<alias name>`, each
 * holding the entity's id.
 */
const entityPath = (id: string): string => `identity/entity/${id}`;
const namePath = (name: string): string => `identity/entity-name/${encodeURIComponent(name)}`;
const aliasPath = (id: string): string => `identity/alias/${id}`;
const aliasNamePath = (accessor: string, name: string): string =>
  `identity/alias-of/${accessor}/${encodeURIComponent(name)}`;

export function findEntity(turn: Turn, id: string): Entity | undefined {
  return turn.space('system').read(entityPath(id), codec);
}

export function findEntityByName(turn: Turn, name: string): Entity | undefined {
  return behind(turn, namePath(name));
}

export function findEntityByAliasId(turn: Turn, id: string): Entity | undefined {
  return behind(turn, aliasPath(id));
}

export function findEntityByAlias(turn: Turn, mountAccessor: string, name: string): Entity | undefined {
  return behind(turn, aliasNamePath(mountAccessor, name));
}

function behind(turn: Turn, path: string): Entity | undefined {
  const id = turn.space('system').read(path, idCodec);
  return id === undefined ? undefined : findEntity(turn, id);
}

/** Writes the entity and every way to find it; `before` is what it was, so that old ways go. */
export function putEntity(turn: Turn, entity: Entity, before?: Entity): void {
  const space = turn.space('system');
  if (before !== undefined) removeWays(turn, before, entity);
  space.write(entityPath(entity.id), codec, entity);
  space.write(namePath(entity.name), idCodec, entity.id);
  for (const alias of entity.aliases) {
    space.write(aliasPath(alias.id), idCodec, entity.id);
    space.write(aliasNamePath(alias.mountAccessor, alias.name), idCodec, entity.id);
  }
}

export function deleteEntity(turn: Turn, entity: Entity): void {
  removeWays(turn, entity, undefined);
  turn.space('system').delete(entityPath(entity.id));
}

function removeWays(turn: Turn, before: Entity, after: Entity | undefined): void {
  const space = turn.space('system');
  if (before.name !== after?.name) space.delete(namePath(before.name));
  for (const alias of before.aliases) {
    const stays = after?.aliases.find((each) => each.id === alias.id);
    if (stays === undefined) space.delete(aliasPath(alias.id));
    if (stays?.name !== alias.name || stays.mountAccessor !== alias.mountAccessor)
      space.delete(aliasNamePath(alias.mountAccessor, alias.name));
  }
}

export function entityIds(turn: Turn): readonly string[] {
  return turn.space('system').list('identity/entity/');
}
