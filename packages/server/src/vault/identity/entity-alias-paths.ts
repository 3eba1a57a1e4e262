import type { Call, PathSpec, Reply } from '../backend.ts';
import { badRequest, nothingHere } from '../errors.ts';
import type { JsonObject } from '../fields.ts';
import { describeAlias } from './describe.ts';
import {
  type Alias,
  type Entity,
  entityIds,
  findEntity,
  findEntityByAlias,
  findEntityByAliasId,
  putEntity,
} from './entities.ts';
import { findMetadata, mountOfAccessor, nameIn } from './input.ts';

const fields: PathSpec['fields'] = {
  id: { type: 'string', doc: 'An alias to change.' },
  name: { type: 'string', doc: 'What the login method calls the entity.' },
  mount_accessor: { type: 'string', doc: 'The login method.' },
  canonical_id: { type: 'string', doc: 'The entity; a new one when absent.' },
  custom_metadata: { type: 'map', doc: 'Facts that policies may insert.' },
};

export const entityAliasPaths: readonly PathSpec[] = [
  {
    pattern: 'entity-alias',
    synopsis: 'Make or change an alias of an entity.',
    fields,
    on: { update: (call) => upsert(call, call.fields.text('id')) },
  },
  { pattern: 'entity-alias/id', synopsis: 'List the ids of all aliases.', on: { list } },
  {
    pattern: 'entity-alias/id/:id',
    synopsis: 'Read, change or delete an alias.',
    fields,
    on: { read, update: (call) => upsert(call, idIn(call)), delete: remove },
  },
];

interface Held {
  readonly entity: Entity;
  readonly alias: Alias;
}

function upsert(call: Call, id: string): Reply {
  const name = nameIn(call.fields);
  const accessor = call.fields.text('mount_accessor');
  if (id === '' && (accessor === '' || name === '')) {
    throw badRequest("'id' or 'mount_accessor' and 'name' must be provided");
  }
  const held = id === '' ? byFactors(call, accessor, name) : findHeld(call, id);
  if (id !== '' && held === undefined) throw badRequest('invalid alias ID provided');
  return held === undefined
    ? create(call, accessor, name)
    : change(call, held, accessor || held.alias.mountAccessor, name || held.alias.name);
}

function byFactors(call: Call, accessor: string, name: string): Held | undefined {
  mountOfAccessor(call, accessor);
  const entity = findEntityByAlias(call.turn, accessor, name);
  const alias = entity?.aliases.find((each) => each.mountAccessor === accessor && each.name === name);
  return entity === undefined || alias === undefined ? undefined : { entity, alias };
}

function findHeld(call: Call, id: string): Held | undefined {
  const entity = findEntityByAliasId(call.turn, id);
  const alias = entity?.aliases.find((each) => each.id === id);
  return entity === undefined || alias === undefined ? undefined : { entity, alias };
}

function create(call: Call, accessor: string, name: string): Reply {
  const { turn, core, now } = call;
  const mount = mountOfAccessor(call, accessor);
  const canonical = canonicalIdIn(call);
  const before = canonical === '' ? undefined : findEntity(turn, canonical);
  if (canonical !== '' && before === undefined) throw badRequest('invalid canonical ID');
  // Two names of one method for one entity would make it a matter of chance which one a template inserts.
  if (before?.aliases.some((alias) => alias.mountAccessor === accessor)) {
    throw badRequest('Alias already exists for requested entity and mount accessor');
  }
  const alias: Alias = {
    id: core.uuid(),
    name,
    mountAccessor: accessor,
    mountPath: mount.path,
    mountType: mount.type,
    metadata: {},
    customMetadata: findMetadata(call.fields, 'custom_metadata') ?? {},
    createdAt: now,
    updatedAt: now,
  };
  const entity = before ?? newEntity(core.uuid(), now);
  putEntity(turn, { ...entity, aliases: [...entity.aliases, alias], updatedAt: now }, before);
  return { data: { id: alias.id, canonical_id: entity.id } };
}

function newEntity(id: string, now: number): Entity {
  return {
    id,
    name: `entity_${id.slice(0, 8)}`,
    metadata: {},
    policies: [],
    aliases: [],
    disabled: false,
    createdAt: now,
    updatedAt: now,
    mergedIds: [],
  };
}

function change(call: Call, { entity, alias }: Held, accessor: string, name: string): Reply {
  const { turn, now } = call;
  const canonical = canonicalIdIn(call) || entity.id;
  const custom = findMetadata(call.fields, 'custom_metadata');
  const same = accessor === alias.mountAccessor && name === alias.name;
  if (same && canonical === entity.id && custom === undefined) return {};
  const mount = mountOfAccessor(call, accessor);
  const holder = same ? undefined : findEntityByAlias(turn, accessor, name);
  if (holder !== undefined)
    throw badRequest('alias with combination of mount accessor and name already exists');
  const target = canonical === entity.id ? entity : findEntity(turn, canonical);
  if (target === undefined) throw badRequest("given 'canonical_id' is not associated with an entity");
  if (target.aliases.some((each) => each.id !== alias.id && each.mountAccessor === accessor)) {
    throw badRequest(
      "Alias cannot be updated as the entity already has an alias for the given 'mount_accessor'",
    );
  }
  const changed: Alias = {
    ...alias,
    name,
    mountAccessor: accessor,
    mountPath: mount.path,
    mountType: mount.type,
    customMetadata: custom ?? alias.customMetadata,
    updatedAt: now,
  };
  // First out of the one entity, then into the other: each takes the ways to its aliases along.
  const others = entity.aliases.filter((each) => each.id !== alias.id);
  if (target !== entity) putEntity(turn, { ...entity, aliases: others, updatedAt: now }, entity);
  const kept = target === entity ? others : target.aliases;
  putEntity(turn, { ...target, aliases: [...kept, changed], updatedAt: now }, target);
  return { data: { id: alias.id, canonical_id: target.id } };
}

function canonicalIdIn({ fields }: Call): string {
  return fields.text('canonical_id') || fields.text('entity_id');
}

function read(call: Call): Reply {
  const held = findHeld(call, idIn(call));
  if (held === undefined) throw nothingHere();
  return { data: describeAlias(call.turn, held.alias, held.entity.id) };
}

function remove(call: Call): Reply {
  const held = findHeld(call, idIn(call));
  if (held === undefined) return {};
  const aliases = held.entity.aliases.filter((alias) => alias.id !== held.alias.id);
  putEntity(call.turn, { ...held.entity, aliases, updatedAt: call.now }, held.entity);
  return {};
}

function list(call: Call): Reply {
  const info: Record<string, JsonObject> = {};
  for (const id of entityIds(call.turn)) {
    for (const alias of findEntity(call.turn, id)?.aliases ?? [])
      info[alias.id] = describeAlias(call.turn, alias, id);
  }
  const keys = Object.keys(info).sort();
  if (keys.length === 0) throw nothingHere();
  return { data: { keys, key_info: info } };
}

function idIn(call: Call): string {
  return call.params['id'] ?? '';
}
