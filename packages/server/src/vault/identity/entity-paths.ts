import type { Call, PathSpec, Reply } from '../backend.ts';
import { badRequest, nothingHere } from '../errors.ts';
import type { JsonObject } from '../fields.ts';
import { describeAlias, describeEntity } from './describe.ts';
import { deleteEntity, type Entity, entityIds, findEntity, findEntityByName, putEntity } from './entities.ts';
import { leaveGroups } from './groups.ts';
import { findMetadata, findPolicies, nameIn } from './input.ts';

const fields: PathSpec['fields'] = {
  id: { type: 'string', doc: 'An entity to change.' },
  name: { type: 'string', doc: 'Its name; made up when absent.' },
  metadata: { type: 'map', doc: 'Facts that policies may insert.' },
  policies: { type: 'list', doc: 'What its tokens may do besides their own policies.' },
  disabled: { type: 'boolean', doc: 'Whether its tokens lose what it brings to them.' },
};

export const entityPaths: readonly PathSpec[] = [
  {
    pattern: 'entity',
    synopsis: 'Make or change an entity.',
    fields,
    on: { update: (call) => upsert(call, byIdOrName(call)) },
  },
  {
    pattern: 'entity/id',
    synopsis: 'List the ids of all entities.',
    on: { list: (call) => list(call, (entity) => entity.id) },
  },
  {
    pattern: 'entity/id/:id',
    synopsis: 'Read, change or delete an entity.',
    fields,
    on: {
      read: (call) => read(call, findEntity(call.turn, idIn(call))),
      update: (call) => upsert(call, mustExist(findEntity(call.turn, idIn(call)))),
      delete: (call) => remove(call, findEntity(call.turn, idIn(call))),
    },
  },
  {
    pattern: 'entity/name',
    synopsis: 'List the names of all entities.',
    on: { list: (call) => list(call, (entity) => entity.name) },
  },
  {
    pattern: 'entity/name/:name*',
    synopsis: 'Read, make, change or delete an entity by its name.',
    fields,
    on: {
      read: (call) => read(call, byName(call)),
      update: (call) => upsert(call, byName(call), call.params['name']),
      delete: (call) => remove(call, byName(call)),
    },
  },
  {
    pattern: 'entity/batch-delete',
    synopsis: 'Delete entities.',
    fields: { entity_ids: { type: 'list', doc: 'Which.' } },
    on: { update: batchDelete },
  },
];

function upsert(call: Call, before: Entity | undefined, nameInPath?: string): Reply {
  const { turn, core } = call;
  const name = nameIn(call.fields, nameInPath);
  const id = before?.id ?? core.uuid();
  const entity: Entity = {
    id,
    name: name || before?.name || `entity_${id.slice(0, 8)}`,
    metadata: findMetadata(call.fields, 'metadata') ?? before?.metadata ?? {},
    policies: findPolicies(call.fields) ?? before?.policies ?? [],
    aliases: before?.aliases ?? [],
    disabled: call.fields.findBoolean('disabled') ?? before?.disabled ?? false,
    createdAt: before?.createdAt ?? call.now,
    updatedAt: call.now,
    mergedIds: before?.mergedIds ?? [],
  };
  const holder = findEntityByName(turn, entity.name);
  if (holder !== undefined && holder.id !== id) throw badRequest('entity name is already in use');
  putEntity(turn, entity, before);
  return before === undefined ? { data: { id, name: entity.name, aliases: null } } : {};
}

/** By id it must be there; by name it may be new. */
function byIdOrName(call: Call): Entity | undefined {
  const id = call.fields.text('id');
  if (id !== '') return mustExist(findEntity(call.turn, id));
  const name = nameIn(call.fields);
  return name === '' ? undefined : findEntityByName(call.turn, name);
}

function mustExist(entity: Entity | undefined): Entity {
  if (entity === undefined) throw badRequest('entity not found from id');
  return entity;
}

function byName(call: Call): Entity | undefined {
  const name = nameIn(call.fields, call.params['name']);
  if (name === '') throw badRequest('missing entity name');
  return findEntityByName(call.turn, name);
}

function idIn(call: Call): string {
  return call.params['id'] ?? '';
}

function read(call: Call, entity: Entity | undefined): Reply {
  if (entity === undefined) throw nothingHere();
  return { data: describeEntity(call.turn, entity) };
}

function remove(call: Call, entity: Entity | undefined): Reply {
  if (entity === undefined) return {};
  leaveGroups(call.turn, entity.id);
  deleteEntity(call.turn, entity);
  return {};
}

function batchDelete(call: Call): Reply {
  const ids = call.fields.list('entity_ids');
  if (ids.length === 0) throw badRequest('missing entity ids to delete');
  for (const id of ids) remove(call, findEntity(call.turn, id));
  return {};
}

function list(call: Call, keyOf: (entity: Entity) => string): Reply {
  const entities = entityIds(call.turn).flatMap((id) => findEntity(call.turn, id) ?? []);
  if (entities.length === 0) throw nothingHere();
  const info: Record<string, JsonObject> = {};
  for (const entity of entities) {
    const aliases = entity.aliases.map((alias) => describeAlias(call.turn, alias, entity.id));
    info[entity.id] = { name: entity.name, ...(aliases.length === 0 ? {} : { aliases }) };
  }
  return { data: { keys: entities.map(keyOf).sort(), key_info: info } };
}
