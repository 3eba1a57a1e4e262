import type { Call, PathSpec, Reply } from '../backend.ts';
import { badRequest, nothingHere } from '../errors.ts';
import type { JsonObject } from '../fields.ts';
import { describeGroupAlias } from './describe.ts';
import {
  findGroup,
  findGroupByAlias,
  findGroupByAliasId,
  type Group,
  type GroupAlias,
  listGroups,
  putGroup,
} from './groups.ts';
import { mountOfAccessor, nameIn } from './input.ts';

const fields: PathSpec['fields'] = {
  id: { type: 'string', doc: 'An alias to change.' },
  name: { type: 'string', doc: 'What the login method calls the group.' },
  mount_accessor: { type: 'string', doc: 'The login method.' },
  canonical_id: { type: 'string', doc: 'The external group; a new one when absent.' },
};

export const groupAliasPaths: readonly PathSpec[] = [
  {
    pattern: 'group-alias',
    synopsis: 'Make or change the alias of an external group.',
    fields,
    on: { update: (call) => upsert(call, call.fields.text('id')) },
  },
  { pattern: 'group-alias/id', synopsis: 'List the ids of all aliases.', on: { list } },
  {
    pattern: 'group-alias/id/:id',
    synopsis: 'Read, change or delete an alias.',
    fields,
    on: { read, update: (call) => upsert(call, call.params['id'] ?? ''), delete: remove },
  },
];

function upsert(call: Call, id: string): Reply {
  const { turn, core, now } = call;
  const previous = id === '' ? undefined : findGroupByAliasId(turn, id);
  if (id !== '' && previous?.alias === undefined) throw badRequest('invalid group alias ID');
  const name = nameIn(call.fields);
  if (name === '') throw badRequest('missing alias name');
  const accessor = call.fields.text('mount_accessor');
  if (accessor === '') throw badRequest('missing mount_accessor');
  const mount = mountOfAccessor(call, accessor);
  const holder = findGroupByAlias(turn, accessor, name);
  if (holder !== undefined && holder.id !== previous?.id) {
    throw badRequest('combination of mount and group alias name is already in use');
  }
  const target = targetOf(call) ?? previous;
  if (holder !== undefined && target === previous) return {};
  const alias: GroupAlias = {
    id: previous?.alias?.id ?? core.uuid(),
    name,
    mountAccessor: accessor,
    mountPath: mount.path,
    mountType: mount.type,
    createdAt: previous?.alias?.createdAt ?? now,
    updatedAt: now,
  };
  // First out of the one group, then into the other: each takes the ways to its alias along.
  if (previous !== undefined && target !== previous) putGroup(turn, without(previous, now), previous);
  const group = target ?? newGroup(core.uuid(), now);
  // The members were those whom the method meant by the former name.
  const memberEntityIds = target === previous && target?.alias?.name === name ? group.memberEntityIds : [];
  putGroup(turn, { ...group, memberEntityIds, alias, updatedAt: now }, target);
  return { data: { id: alias.id, canonical_id: group.id } };
}

function targetOf(call: Call): Group | undefined {
  const id = call.fields.text('canonical_id');
  if (id === '') return undefined;
  const group = findGroup(call.turn, id);
  if (group === undefined) throw badRequest("invalid group ID given in 'canonical_id'");
  if (group.type !== 'external') throw badRequest("alias can't be set on an internal group");
  return group;
}

function newGroup(id: string, now: number): Group {
  return {
    id,
    name: `group_${id.slice(0, 8)}`,
    type: 'external',
    metadata: {},
    policies: [],
    memberEntityIds: [],
    memberGroupIds: [],
    createdAt: now,
    updatedAt: now,
  };
}

/** Without alias nobody tells who is in it, so nobody is. */
function without({ alias: _gone, ...group }: Group, now: number): Group {
  return { ...group, memberEntityIds: [], updatedAt: now };
}

function read(call: Call): Reply {
  const group = findGroupByAliasId(call.turn, call.params['id'] ?? '');
  if (group?.alias === undefined) throw nothingHere();
  return { data: describeGroupAlias(call.turn, group.alias, group.id) };
}

function remove(call: Call): Reply {
  const group = findGroupByAliasId(call.turn, call.params['id'] ?? '');
  if (group !== undefined) putGroup(call.turn, without(group, call.now), group);
  return {};
}

function list(call: Call): Reply {
  const info: Record<string, JsonObject> = {};
  for (const { id, alias } of listGroups(call.turn)) {
    if (alias !== undefined) info[alias.id] = describeGroupAlias(call.turn, alias, id);
  }
  const keys = Object.keys(info).sort();
  if (keys.length === 0) throw nothingHere();
  return { data: { keys, key_info: info } };
}
