import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Turn } from '#journal';
import { openVault, type TestVault } from '../../../test-support/vault.ts';
import {
  deleteEntity,
  type Entity,
  findEntity,
  findEntityByAlias,
  findEntityByName,
  putEntity,
} from './entities.ts';
import {
  deleteGroup,
  directGroupIds,
  findGroup,
  findGroupByName,
  type Group,
  groupsOf,
  leaveGroups,
  listGroups,
  putGroup,
} from './groups.ts';
import { requireHierarchy } from './hierarchy.ts';

let vault: TestVault;
beforeAll(async () => {
  vault = await openVault();
});
afterAll(() => vault.close());

/** Runs on the real records; what it changes is dropped afterwards. */
const inTurn = (work: (turn: Turn) => void): void => vault.journal.peek(work);

const entityIds = ['e1', 'e2', 'e3'];
const groupIds = ['g1', 'g2', 'g3', 'g4', 'g5'];
const group = (id: string, memberEntityIds: readonly string[], memberGroupIds: readonly string[]): Group => ({
  id,
  name: `name of ${id}`,
  type: 'internal',
  metadata: {},
  policies: [],
  memberEntityIds,
  memberGroupIds,
  createdAt: 0,
  updatedAt: 0,
});

const step = fc.oneof(
  fc.record({
    kind: fc.constant('put' as const),
    id: fc.constantFrom(...groupIds),
    entities: fc.uniqueArray(fc.constantFrom(...entityIds)),
    groups: fc.uniqueArray(fc.constantFrom(...groupIds)),
  }),
  fc.record({ kind: fc.constant('delete' as const), id: fc.constantFrom(...groupIds) }),
  fc.record({ kind: fc.constant('leave' as const), id: fc.constantFrom(...entityIds, ...groupIds) }),
);

/** The groups of a member by looking through all groups again and again. */
function slowGroupsOf(groups: readonly Group[], member: string): Set<string> {
  const found = new Set<string>();
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const { id, memberEntityIds, memberGroupIds } of groups) {
      if (
        memberEntityIds.includes(member) ||
        memberGroupIds.some((each) => found.has(each) || each === member)
      )
        found.add(id);
    }
  }
  return found;
}

describe('the index of members', () => {
  it('says what looking through all groups says, whatever is put, deleted and left', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) =>
        inTurn((turn) => {
          for (const each of steps) {
            const before = findGroup(turn, each.id);
            if (each.kind === 'leave') leaveGroups(turn, each.id);
            else if (each.kind === 'delete' && before !== undefined) deleteGroup(turn, before);
            else if (each.kind === 'put') {
              const members = each.groups.filter((id) => findGroup(turn, id) !== undefined);
              const next = group(each.id, each.entities, members);
              try {
                requireHierarchy(turn, next);
              } catch (error) {
                expect(error).toMatchObject({ kind: 'invalid' });
                continue;
              }
              putGroup(turn, next, before);
            }
          }

          const groups = listGroups(turn);
          for (const id of entityIds) {
            expect(new Set(groupsOf(turn, id).map((each) => each.id))).toEqual(slowGroupsOf(groups, id));
          }
          for (const id of [...entityIds, ...groupIds]) {
            const direct = groups.filter((each) =>
              [...each.memberEntityIds, ...each.memberGroupIds].includes(id),
            );
            expect(new Set(directGroupIds(turn, id))).toEqual(new Set(direct.map((each) => each.id)));
          }
          // A group is never found from itself: there is no cycle.
          for (const { id } of groups) expect(slowGroupsOf(groups, id).has(id)).toBe(false);
          for (const id of groupIds)
            expect(findGroupByName(turn, `name of ${id}`)?.id).toBe(findGroup(turn, id)?.id);
        }),
      ),
      { numRuns: 150 },
    );
  });
});

const names = ['a', 'b', 'c/d', 'ü', 'a'.repeat(300)];
const entity = (id: string, name: string, aliasNames: readonly string[]): Entity => ({
  id,
  name,
  metadata: {},
  policies: [],
  aliases: aliasNames.map((aliasName, at) => ({
    id: `${id}-alias-${at}`,
    name: `${id} ${aliasName}`,
    mountAccessor: `mount${at}`,
    mountPath: '',
    mountType: '',
    metadata: {},
    customMetadata: {},
    createdAt: 0,
    updatedAt: 0,
  })),
  disabled: false,
  createdAt: 0,
  updatedAt: 0,
  mergedIds: [],
});

describe('the ways to entities', () => {
  it('lead to those that are there under their present names, and nowhere else', () => {
    const change = fc.record({
      id: fc.constantFrom(...entityIds),
      name: fc.constantFrom(...names),
      aliases: fc.array(fc.constantFrom(...names), { maxLength: 3 }),
      gone: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) =>
        inTurn((turn) => {
          for (const { id, name, aliases, gone } of changes) {
            const before = findEntity(turn, id);
            const holder = findEntityByName(turn, name);
            if (gone && before !== undefined) deleteEntity(turn, before);
            else if (holder === undefined || holder.id === id)
              putEntity(turn, entity(id, name, aliases), before);
          }

          const present = entityIds.flatMap((id) => findEntity(turn, id) ?? []);
          for (const name of names) {
            expect(findEntityByName(turn, name)?.id).toBe(present.find((each) => each.name === name)?.id);
            for (const id of entityIds) {
              for (const at of [0, 1, 2]) {
                const expected = present.find((each) =>
                  each.aliases.some(
                    (alias) => alias.mountAccessor === `mount${at}` && alias.name === `${id} ${name}`,
                  ),
                );
                expect(findEntityByAlias(turn, `mount${at}`, `${id} ${name}`)?.id).toBe(expected?.id);
              }
            }
          }
        }),
      ),
      { numRuns: 100 },
    );
  });
});
