import type { Turn } from '#journal';
import { jsonCodec } from '../records.ts';

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

/**
 * `identity/group/<id>`, and the way from a member to its groups, `identity/member/<entity or group id>`: a request asks
 * for the groups of one entity, and must not look through all groups for it.
 */
const groupPath = (id: string): string => `identity/group/${id}`;
const memberPath = (id: string): string => `identity/member/${id}`;
/** How deep groups in groups are followed. */
const maxDepth = 10;

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

/** The groups an entity is in, directly or through groups, each once. */
export function groupsOf(turn: Turn, entityId: string): readonly Group[] {
  const space = turn.space('system');
  let next = space.read(memberPath(entityId), memberCodec);
  if (next === undefined) return none;
  const found = new Map<string, Group>();
  for (let depth = 0; depth < maxDepth && next.length > 0; depth += 1) {
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

export function putGroup(turn: Turn, group: Group, before?: Group): void {
  turn.space('system').write(groupPath(group.id), codec, group);
  const now = [...group.memberEntityIds, ...group.memberGroupIds];
  const then = before === undefined ? [] : [...before.memberEntityIds, ...before.memberGroupIds];
  for (const id of now) if (!then.includes(id)) addMembership(turn, id, group.id);
  for (const id of then) if (!now.includes(id)) removeMembership(turn, id, group.id);
}

export function deleteGroup(turn: Turn, group: Group): void {
  for (const id of [...group.memberEntityIds, ...group.memberGroupIds]) removeMembership(turn, id, group.id);
  turn.space('system').delete(groupPath(group.id));
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
