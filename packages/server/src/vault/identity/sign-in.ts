import type { Turn } from '#journal';
import type { Mount } from '../mounts/mount.ts';
import type { NewLogin } from '../tokens/login.ts';
import { type Alias, type Entity, findEntityByAlias, putEntity } from './entities.ts';
import { directGroupIds, findGroup, findGroupByAlias, type Group, putGroup } from './groups.ts';

/** The entity behind a login, made on the first one; and its external groups as the method vouches for them now. */
export function entityOfLogin(
  turn: Turn,
  mount: Mount,
  login: NewLogin,
  newId: () => string,
): Entity | undefined {
  if (login.alias === undefined) return undefined;
  const known = findEntityByAlias(turn, mount.accessor, login.alias.name);
  const entity =
    known === undefined ? firstSeen(turn, mount, login.alias, newId) : renew(turn, mount, known, login.alias);
  if (login.groups !== undefined) joinGroups(turn, mount, entity, login.groups);
  return entity;
}

function firstSeen(
  turn: Turn,
  mount: Mount,
  { name, metadata }: NonNullable<NewLogin['alias']>,
  newId: () => string,
): Entity {
  const id = newId();
  const alias: Alias = {
    id: newId(),
    name,
    mountAccessor: mount.accessor,
    mountPath: mount.path,
    mountType: mount.type,
    metadata: metadata ?? {},
    customMetadata: {},
    createdAt: turn.now,
    updatedAt: turn.now,
  };
  const entity: Entity = {
    id,
    name: `entity_${id.slice(0, 8)}`,
    metadata: {},
    policies: [],
    aliases: [alias],
    disabled: false,
    createdAt: turn.now,
    updatedAt: turn.now,
    mergedIds: [],
  };
  putEntity(turn, entity);
  return entity;
}

/** Policies may name the alias's metadata, so it follows what the method says now. */
function renew(
  turn: Turn,
  mount: Mount,
  entity: Entity,
  { name, metadata = {} }: NonNullable<NewLogin['alias']>,
): Entity {
  const index = entity.aliases.findIndex(
    (alias) => alias.mountAccessor === mount.accessor && alias.name === name,
  );
  const alias = entity.aliases[index];
  if (alias === undefined || sameMap(alias.metadata, metadata)) return entity;
  const aliases = entity.aliases.with(index, { ...alias, metadata, updatedAt: turn.now });
  const renewed = { ...entity, aliases, updatedAt: turn.now };
  putEntity(turn, renewed, entity);
  return renewed;
}

/** In the external groups of this method that it vouches for now, and out of those it does not. */
function joinGroups(turn: Turn, mount: Mount, entity: Entity, names: readonly string[]): void {
  const vouched = new Map<string, Group>();
  for (const name of names) {
    const group = findGroupByAlias(turn, mount.accessor, name);
    if (group !== undefined) vouched.set(group.id, group);
  }
  for (const id of directGroupIds(turn, entity.id)) {
    const group = findGroup(turn, id);
    if (vouched.delete(id) || group?.type !== 'external' || group.alias?.mountAccessor !== mount.accessor)
      continue;
    putMembers(
      turn,
      group,
      group.memberEntityIds.filter((each) => each !== entity.id),
    );
  }
  for (const group of vouched.values()) putMembers(turn, group, [...group.memberEntityIds, entity.id]);
}

function putMembers(turn: Turn, group: Group, memberEntityIds: readonly string[]): void {
  putGroup(turn, { ...group, memberEntityIds, updatedAt: turn.now }, group);
}

function sameMap(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => one[key] === other[key]);
}
