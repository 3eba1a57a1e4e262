import type { Call, PathSpec, Reply } from '../backend.ts';
import { badRequest, nothingHere } from '../errors.ts';
import type { JsonObject } from '../fields.ts';
import { describeGroup } from './describe.ts';
import { findEntity } from './entities.ts';
import { deleteGroup, findGroup, findGroupByName, type Group, listGroups, putGroup } from './groups.ts';
import { requireHierarchy } from './hierarchy.ts';
import { findMetadata, findPolicies, nameIn } from './input.ts';

const fields: PathSpec['fields'] = {
  id: { type: 'string', doc: 'A group to change.' },
  name: { type: 'string', doc: 'Its name; made up when absent.' },
  type: { type: 'string', doc: 'internal, or external for one whose members a login method tells.' },
  metadata: { type: 'map', doc: 'Facts that policies may insert.' },
  policies: { type: 'list', doc: 'What the tokens of its members may do.' },
  member_entity_ids: { type: 'list', doc: 'Entities in it.' },
  member_group_ids: { type: 'list', doc: 'Groups in it.' },
};

export const groupPaths: readonly PathSpec[] = [
  {
    pattern: 'group',
    synopsis: 'Make or change a group.',
    fields,
    on: { update: (call) => upsert(call, byIdIfNamed(call)) },
  },
  {
    pattern: 'group/id',
    synopsis: 'List the ids of all groups.',
    on: { list: (call) => list(call, (group) => group.id) },
  },
  {
    pattern: 'group/id/:id',
    synopsis: 'Read, change or delete a group.',
    fields,
    on: {
      read: (call) => read(call, findGroup(call.turn, idIn(call))),
      update: (call) => upsert(call, mustExist(findGroup(call.turn, idIn(call)))),
      delete: (call) => remove(call, findGroup(call.turn, idIn(call))),
    },
  },
  {
    pattern: 'group/name',
    synopsis: 'List the names of all groups.',
    on: { list: (call) => list(call, (group) => group.name) },
  },
  {
    pattern: 'group/name/:name*',
    synopsis: 'Read, make, change or delete a group by its name.',
    fields,
    on: {
      read: (call) => read(call, byName(call)),
      update: (call) => upsert(call, byName(call), call.params['name']),
      delete: (call) => remove(call, byName(call)),
    },
  },
];

function upsert(call: Call, before: Group | undefined, nameInPath?: string): Reply {
  const { turn, core, now } = call;
  const type = typeOf(call, before);
  const name = nameIn(call.fields, nameInPath);
  const id = before?.id ?? core.uuid();
  const members = membersOf(call, type);
  const group: Group = {
    id,
    name: name || before?.name || `group_${id.slice(0, 8)}`,
    type,
    metadata: findMetadata(call.fields, 'metadata') ?? before?.metadata ?? {},
    policies: findPolicies(call.fields) ?? before?.policies ?? [],
    memberEntityIds: members.entities ?? before?.memberEntityIds ?? [],
    memberGroupIds: members.groups ?? before?.memberGroupIds ?? [],
    ...(before?.alias === undefined ? {} : { alias: before.alias }),
    createdAt: before?.createdAt ?? now,
    updatedAt: now,
  };
  const holder = findGroupByName(turn, group.name);
  if (holder !== undefined && holder.id !== id) throw badRequest('group name is already in use');
  requireHierarchy(turn, group);
  putGroup(turn, group, before);
  return before === undefined ? { data: { id, name: group.name } } : {};
}

function typeOf(call: Call, before: Group | undefined): Group['type'] {
  const type = call.fields.text('type') || before?.type || 'internal';
  if (before !== undefined && type !== before.type) throw badRequest('group type cannot be changed');
  if (type === 'internal' || type === 'external') return type;
  throw badRequest(`invalid group type ${JSON.stringify(type.slice(0, 80))}`);
}

function membersOf(call: Call, type: Group['type']) {
  const entities = call.fields.findList('member_entity_ids');
  const groups = call.fields.findList('member_group_ids');
  if (type === 'external' && entities !== undefined) {
    throw badRequest("member entities can't be set manually for external groups");
  }
  if (type === 'external' && groups !== undefined)
    throw badRequest("member groups can't be set for external groups");
  for (const id of entities ?? []) {
    if (findEntity(call.turn, id) === undefined)
      throw badRequest(`invalid entity ID ${JSON.stringify(id.slice(0, 80))}`);
  }
  for (const id of groups ?? []) {
    if (findGroup(call.turn, id) === undefined)
      throw badRequest(`invalid group ID ${JSON.stringify(id.slice(0, 80))}`);
  }
  return { entities, groups };
}

function byIdIfNamed(call: Call): Group | undefined {
  const id = call.fields.text('id');
  if (id !== '') return mustExist(findGroup(call.turn, id));
  const name = nameIn(call.fields);
  return name === '' ? undefined : findGroupByName(call.turn, name);
}

function mustExist(group: Group | undefined): Group {
  if (group === undefined) throw badRequest('invalid group ID');
  return group;
}

function byName(call: Call): Group | undefined {
  const name = nameIn(call.fields, call.params['name']);
  if (name === '') throw badRequest('empty group name');
  return findGroupByName(call.turn, name);
}

function idIn(call: Call): string {
  return call.params['id'] ?? '';
}

function read(call: Call, group: Group | undefined): Reply {
  if (group === undefined) throw nothingHere();
  return { data: describeGroup(call.turn, group) };
}

function remove(call: Call, group: Group | undefined): Reply {
  if (group !== undefined) deleteGroup(call.turn, group);
  return {};
}

function list(call: Call, keyOf: (group: Group) => string): Reply {
  const groups = listGroups(call.turn);
  if (groups.length === 0) throw nothingHere();
  const info: Record<string, JsonObject> = {};
  for (const group of groups) {
    info[group.id] = { name: group.name, num_member_entities: group.memberEntityIds.length };
  }
  return { data: { keys: groups.map(keyOf).sort(), key_info: info } };
}
