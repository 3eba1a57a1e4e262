import type { Turn } from '#journal';
import { jsonCodec } from '../records.ts';
import { nameKey } from './name-key.ts';

/** Entities and groups that share policies. An external group's members are those a login method vouches for. */
export interface Group {
  readonly id: string;
  readonly name: string;
  readonly type: 'internal' | 'external';
  readonly metadata: Readonly<Record<string, string>>;
  readonly policies: readonly string[];
  readonly memberEntityIds: readonly string[];
  readonly memberGroupIds: readonly string[];
  /** For an external group: what the method calls it. */
  readonly alias?: GroupAlias;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface GroupAlias {
  readonly id: string;
  readonly name: string;
  readonly mountAccessor: string;
  readonly mountPath: string;
  readonly mountType: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

const codec = jsonCodec<Group>(true);
const memberCodec = jsonCodec<readonly string[]>(true);
const idCodec = jsonCodec<string>(true);

/**
 * `identity/group/<id>`, and the way from a member to its groups, `identity/member/<entity or group id>`: a request asks
 * for the groups of one entity, and must not look through all groups for it. The other ways hold the group's id:
 * `identity/group-name/<key of the name>`, `identity/group-alias/<alias id>`,
 * `identity/group-alias-of/<mount accessor>/<key of the alias name>`.
 */
const groupPath = (id: string): string => `identity/group/${id}`;
const memberPath = (id: string): string => `identity/member/${id}`;
/** How deep groups in groups are followed; `requireHierarchy` refuses deeper ones. */
export const maxGroupDepth = 10;

const none: readonly Group[] = [];

export function findGroup(turn: Turn, id: string): Group | undefined {
  return turn.space('system').read(groupPath(id), codec);
}

export function listGroups(turn: Turn): readonly Group[] {
  return turn
    .space('system')
    .list('identity/group/')
    .flatMap((id) => findGroup(turn, id) ?? []);
}

export function findGroupByName(turn: Turn, name: string): Group | undefined {
  return behind(turn, `identity/group-name/${nameKey(name)}`);
}

export function findGroupByAliasId(turn: Turn, id: string): Group | undefined {
  return behind(turn, `identity/group-alias/${id}`);
}

/** The external group that a login method means by a name. */
export function findGroupByAlias(turn: Turn, mountAccessor: string, name: string): Group | undefined {
  return behind(turn, aliasNamePath(mountAccessor, name));
}

function behind(turn: Turn, path: string): Group | undefined {
  const id = turn.space('system').read(path, idCodec);
  return id === undefined ? undefined : findGroup(turn, id);
}

function aliasNamePath(mountAccessor: string, name: string): string {
  return `identity/group-alias-of/${mountAccessor}/${nameKey(name)}`;
}

/** Ids of the groups that have it as a member, directly. */
export function directGroupIds(turn: Turn, memberId: string): readonly string[] {
  return turn.space('system').read(memberPath(memberId), memberCodec) ?? [];
}

/** The groups an entity is in, directly or through groups, each once. */
export function groupsOf(turn: Turn, entityId: string): readonly Group[] {
  const space = turn.space('system');
  let next = space.read(memberPath(entityId), memberCodec);
  if (next === undefined) return none;
  const found = new Map<string, Group>();
  for (let depth = 0; depth < maxGroupDepth && next.length > 0; depth += 1) {
    const above: string[] = [];
    for (const id of next) {
      if (found.has(id)) continue;
      const group = findGroup(turn, id);
      if (group === undefined) continue;
      found.set(id, group);
      above.push(...(space.read(memberPath(id), memberCodec) ?? []));
    }
    next = above;
  }
  return [...found.values()];
}

/** Writes the group and every way to it; `before` is what it was, so that old ways go. */
export function putGroup(turn: Turn, group: Group, before?: Group): void {
  const space = turn.space('system');
  const ways = waysTo(group);
  for (const way of before === undefined ? [] : waysTo(before)) if (!ways.includes(way)) space.delete(way);
  for (const way of ways) if (space.read(way, idCodec) !== group.id) space.write(way, idCodec, group.id);
  space.write(groupPath(group.id), codec, group);
  const now = [...group.memberEntityIds, ...group.memberGroupIds];
  const then = before === undefined ? [] : [...before.memberEntityIds, ...before.memberGroupIds];
  for (const id of now) if (!then.includes(id)) addMembership(turn, id, group.id);
  for (const id of then) if (!now.includes(id)) removeMembership(turn, id, group.id);
}

/** Also out of the groups it is a member of. */
export function deleteGroup(turn: Turn, group: Group): void {
  leaveGroups(turn, group.id);
  for (const id of [...group.memberEntityIds, ...group.memberGroupIds]) removeMembership(turn, id, group.id);
  for (const way of waysTo(group)) turn.space('system').delete(way);
  turn.space('system').delete(groupPath(group.id));
}

/** Takes an entity or a group out of all groups. */
export function leaveGroups(turn: Turn, memberId: string): void {
  for (const id of directGroupIds(turn, memberId)) {
    const group = findGroup(turn, id);
    if (group === undefined) continue;
    const without = (ids: readonly string[]) => ids.filter((each) => each !== memberId);
    const memberEntityIds = without(group.memberEntityIds);
    putGroup(
      turn,
      { ...group, memberEntityIds, memberGroupIds: without(group.memberGroupIds), updatedAt: turn.now },
      group,
    );
  }
}

function waysTo({ name, alias }: Group): readonly string[] {
  const byName = `identity/group-name/${nameKey(name)}`;
  if (alias === undefined) return [byName];
  return [byName, `identity/group-alias/${alias.id}`, aliasNamePath(alias.mountAccessor, alias.name)];
}

function addMembership(turn: Turn, member: string, group: string): void {
  const space = turn.space('system');
  const groups = space.read(memberPath(member), memberCodec) ?? [];
  if (!groups.includes(group)) space.write(memberPath(member), memberCodec, [...groups, group]);
}

function removeMembership(turn: Turn, member: string, group: string): void {
  const space = turn.space('system');
  const groups = (space.read(memberPath(member), memberCodec) ?? []).filter((id) => id !== group);
  if (groups.length === 0) space.delete(memberPath(member));
  else space.write(memberPath(member), memberCodec, groups);
}
