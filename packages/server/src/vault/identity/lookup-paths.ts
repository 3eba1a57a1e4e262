import type { Call, PathSpec, Reply } from '../backend.ts';
import { badRequest } from '../errors.ts';
import { describeEntity, describeGroup } from './describe.ts';
import { findEntity, findEntityByAlias, findEntityByAliasId, findEntityByName } from './entities.ts';
import { findGroup, findGroupByAlias, findGroupByAliasId, findGroupByName } from './groups.ts';

const fields: PathSpec['fields'] = {
  id: { type: 'string', doc: 'Its id.' },
  name: { type: 'string', doc: 'Its name.' },
  alias_id: { type: 'string', doc: 'The id of an alias of it.' },
  alias_name: { type: 'string', doc: 'The name of an alias of it, with alias_mount_accessor.' },
  alias_mount_accessor: { type: 'string', doc: 'The login method of the alias.' },
};

export const lookupPaths: readonly PathSpec[] = [
  {
    pattern: 'lookup/entity',
    synopsis: 'Find an entity.',
    fields,
    on: {
      update: (call) => {
        const found = lookup(call, {
          id: findEntity,
          name: findEntityByName,
          aliasId: findEntityByAliasId,
          alias: findEntityByAlias,
        });
        return found === undefined ? {} : { data: describeEntity(call.turn, found) };
      },
    },
  },
  {
    pattern: 'lookup/group',
    synopsis: 'Find a group.',
    fields,
    on: {
      update: (call): Reply => {
        const found = lookup(call, {
          id: findGroup,
          name: findGroupByName,
          aliasId: findGroupByAliasId,
          alias: findGroupByAlias,
        });
        return found === undefined ? {} : { data: describeGroup(call.turn, found) };
      },
    },
  },
];

type Find<T> = (turn: Call['turn'], key: string) => T | undefined;

/** By exactly one of the ways; nothing found is an answer without body, as in Vault. */
function lookup<T>(
  { fields: given, turn }: Call,
  by: {
    readonly id: Find<T>;
    readonly name: Find<T>;
    readonly aliasId: Find<T>;
    readonly alias: (turn: Call['turn'], accessor: string, name: string) => T | undefined;
  },
): T | undefined {
  const [id, name, aliasId] = [given.text('id'), given.text('name'), given.text('alias_id')];
  const [aliasName, accessor] = [given.text('alias_name'), given.text('alias_mount_accessor')];
  const single = [id, name, aliasId].filter((each) => each !== '').length;
  const pair = [aliasName, accessor].filter((each) => each !== '').length;
  if (single + pair === 0) throw badRequest('query parameter not supplied');
  if (single > 1 || (single === 1 && pair > 0)) {
    throw badRequest('query parameter conflict; please supply distinct set of query parameters');
  }
  if (pair === 1) throw badRequest("both 'alias_name' and 'alias_mount_accessor' needs to be set");
  if (id !== '') return by.id(turn, id);
  if (name !== '') return by.name(turn, name);
  if (aliasId !== '') return by.aliasId(turn, aliasId);
  return by.alias(turn, accessor, aliasName);
}
