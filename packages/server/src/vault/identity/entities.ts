import type { Turn } from '#journal';
import { jsonCodec } from '../records.ts';
import { nameKey } from './name-key.ts';

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
 * Where entities are, in the system's scope: `identity/entity/<id>`, and ways to find them, each holding the entity's id:
 * `identity/entity-name/<key of the name>`, `identity/alias/<alias id>`,
 * `identity/alias-of/<mount accessor>/<key of the alias name>`, and `identity/merged/<id of an entity it took over>`.
 */
const entityPath = (id: string): string => `identity/entity/${id}`;
const namePath = (name: string): string => `identity/entity-name/${nameKey(name)}`;
const aliasPath = (id: string): string => `identity/alias/${id}`;
const aliasNamePath = (accessor: string, name: string): string =>
  `identity/alias-of/${accessor}/${nameKey(name)}`;
const mergedPath = (id: string): string => `identity/merged/${id}`;

export function findEntity(turn: Turn, id: string): Entity | undefined {
  return turn.space('system').read(entityPath(id), codec);
}

/** The entity of a token: the one it was made for, or the one that has taken it over since. */
export function findEntityOfToken(turn: Turn, id: string): Entity | undefined {
  return findEntity(turn, id) ?? behind(turn, mergedPath(id));
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
  const ways = [
    namePath(entity.name),
    ...entity.mergedIds.map(mergedPath),
    ...entity.aliases.flatMap((alias) => [
      aliasPath(alias.id),
      aliasNamePath(alias.mountAccessor, alias.name),
    ]),
  ];
  for (const way of ways) {
    if (space.read(way, idCodec) !== entity.id) space.write(way, idCodec, entity.id);
  }
}

export function deleteEntity(turn: Turn, entity: Entity): void {
  removeWays(turn, entity, undefined);
  for (const id of entity.mergedIds) turn.space('system').delete(mergedPath(id));
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
