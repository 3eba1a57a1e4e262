import type { Call, PathSpec, Reply } from '../backend.ts';
import { badRequest } from '../errors.ts';
import { type Alias, deleteEntity, type Entity, findEntity, putEntity } from './entities.ts';
import { leaveGroups } from './groups.ts';

export const mergePaths: readonly PathSpec[] = [
  {
    pattern: 'entity/merge',
    synopsis:
      'Make one entity of several: their aliases and tokens become its own, their policies and groups end.',
    fields: {
      from_entity_ids: { type: 'list', doc: 'Those that end.' },
      to_entity_id: { type: 'string', doc: 'The one that stays.' },
      conflicting_alias_ids_to_keep: {
        type: 'list',
        doc: 'Where both have an alias of one method, which stays.',
      },
      force: { type: 'boolean', doc: 'Taken, and without a meaning here.' },
    },
    on: { update: merge },
  },
];

function merge(call: Call): Reply {
  const { turn, now, fields } = call;
  const toId = fields.text('to_entity_id');
  if (toId === '') throw badRequest('missing entity id to merge to');
  const fromIds = fields.list('from_entity_ids');
  if (fromIds.length === 0) throw badRequest('missing entity ids to merge from');
  const keep = fields.list('conflicting_alias_ids_to_keep');
  if (fromIds.length > 1 && keep.length > 1) {
    throw badRequest(
      'aliases conflicts cannot be resolved with multiple from entity ids - merge one entity at a time',
    );
  }
  const to = findEntity(turn, toId);
  if (to === undefined) throw badRequest('entity id to merge to is invalid');
  if (fromIds.includes(toId)) throw badRequest('to_entity_id should not be present in from_entity_ids');
  const from = fromIds.map((id) => findEntity(turn, id));
  if (!from.every((entity) => entity !== undefined)) throw badRequest('entity id to merge from is invalid');

  const aliases = from.reduce<readonly Alias[]>((so, entity) => joined(so, entity, keep), to.aliases);
  const mergedIds = [...to.mergedIds, ...from.flatMap((entity) => [...entity.mergedIds, entity.id])];
  // First out of the ones that end: they take the ways to their aliases along.
  for (const entity of from) {
    leaveGroups(turn, entity.id);
    deleteEntity(turn, entity);
  }
  putEntity(turn, { ...to, aliases, mergedIds: [...new Set(mergedIds)], updatedAt: now }, to);
  return {};
}

/** One alias for each method: who merges says which of two stays. */
function joined(aliases: readonly Alias[], entity: Entity, keep: readonly string[]): readonly Alias[] {
  let result = aliases;
  for (const alias of entity.aliases) {
    const rival = result.find((each) => each.mountAccessor === alias.mountAccessor);
    if (rival === undefined) result = [...result, alias];
    else if (keep.includes(alias.id)) result = [...result.filter((each) => each !== rival), alias];
    else if (!keep.includes(rival.id)) {
      throw badRequest(
        `conflicting mount accessors in following alias IDs and neither were present in conflicting_alias_ids_to_keep: ${alias.id}, ${rival.id}`,
      );
    }
  }
  return result;
}
