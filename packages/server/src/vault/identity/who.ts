import type { Turn } from '#journal';
import type { TemplateContext } from '../policy/template.ts';
import { type Entity, findEntityOfToken } from './entities.ts';
import { type Group, groupsOf } from './groups.ts';

/** What a token's entity brings to it. */
export interface Who {
  readonly entity: Entity | undefined;
  /** The groups it is in, directly or through other groups. */
  readonly groups: readonly Group[];
  readonly policies: readonly string[];
  readonly template: TemplateContext;
}

const nobody: Who = { entity: undefined, groups: [], policies: [], template: { groups: [] } };

export function identityOf(turn: Turn, entityId: string): Who {
  if (entityId === '') return nobody;
  const entity = findEntityOfToken(turn, entityId);
  // An entity that was disabled or deleted takes its rights along; the token's own stay or go by the caller's rule.
  if (entity === undefined || entity.disabled) return nobody;
  const groups = groupsOf(turn, entity.id);
  const policies = [...new Set([...entity.policies, ...groups.flatMap((group) => group.policies)])];
  return {
    entity,
    groups,
    policies,
    template: {
      entity: {
        id: entity.id,
        name: entity.name,
        metadata: entity.metadata,
        aliases: entity.aliases.map((alias) => ({
          accessor: alias.mountAccessor,
          id: alias.id,
          name: alias.name,
          metadata: alias.metadata,
          customMetadata: alias.customMetadata,
        })),
      },
      groups: groups.map(({ id, name, metadata }) => ({ id, name, metadata })),
    },
  };
}
