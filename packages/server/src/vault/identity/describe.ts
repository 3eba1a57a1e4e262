import type { Turn } from '#journal';
import type { JsonObject } from '../fields.ts';
import { mountsOf } from '../mounts/table.ts';
import type { Alias, Entity } from './entities.ts';
import { directGroupIds, type Group, type GroupAlias, groupsOf } from './groups.ts';

/** There is one namespace, which clients know by this id. */
const namespace = 'root';

export function describeEntity(turn: Turn, entity: Entity): JsonObject {
  const direct = directGroupIds(turn, entity.id);
  const all = groupsOf(turn, entity.id).map((group) => group.id);
  return {
    id: entity.id,
    name: entity.name,
    aliases: entity.aliases.map((alias) => describeAlias(turn, alias, entity.id)),
    creation_time: time(entity.createdAt),
    last_update_time: time(entity.updatedAt),
    direct_group_ids: direct,
    inherited_group_ids: all.filter((id) => !direct.includes(id)),
    group_ids: all,
    disabled: entity.disabled,
    merged_entity_ids: orNull(entity.mergedIds),
    metadata: mapOrNull(entity.metadata),
    mfa_secrets: {},
    namespace_id: namespace,
    policies: entity.policies,
  };
}

export function describeAlias(turn: Turn, alias: Alias, entityId: string): JsonObject {
  return {
    ...commonOf(turn, alias, entityId),
    custom_metadata: mapOrNull(alias.customMetadata),
    local: false,
    metadata: mapOrNull(alias.metadata),
  };
}

export function describeGroup(turn: Turn, group: Group): JsonObject {
  return {
    id: group.id,
    name: group.name,
    alias: group.alias === undefined ? {} : describeGroupAlias(turn, group.alias, group.id),
    creation_time: time(group.createdAt),
    last_update_time: time(group.updatedAt),
    member_entity_ids: orNull(group.memberEntityIds),
    member_group_ids: orNull(group.memberGroupIds),
    metadata: mapOrNull(group.metadata),
    modify_index: 1,
    namespace_id: namespace,
    parent_group_ids: orNull(directGroupIds(turn, group.id)),
    policies: group.policies,
    type: group.type,
  };
}

export function describeGroupAlias(turn: Turn, alias: GroupAlias, groupId: string): JsonObject {
  return { ...commonOf(turn, alias, groupId), metadata: null };
}

function commonOf(turn: Turn, alias: Alias | GroupAlias, canonicalId: string): JsonObject {
  // Where the method is now: it may have been moved since.
  const mount = mountsOf(turn).byAccessor(alias.mountAccessor);
  return {
    id: alias.id,
    canonical_id: canonicalId,
    creation_time: time(alias.createdAt),
    last_update_time: time(alias.updatedAt),
    merged_from_canonical_ids: null,
    mount_accessor: alias.mountAccessor,
    mount_path: mount?.path ?? alias.mountPath,
    mount_type: mount?.type ?? alias.mountType,
    name: alias.name,
    namespace_id: namespace,
  };
}

function time(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** Go's clients tell an empty list from none, and Vault writes none. */
function orNull(list: readonly string[]): readonly string[] | null {
  return list.length === 0 ? null : list;
}

function mapOrNull(map: Readonly<Record<string, string>>): JsonObject | null {
  return Object.keys(map).length === 0 ? null : map;
}
