import { Fault } from '@sallyport/formats';
import type { Capability } from '#platform';
import { checkRepository } from '../names.ts';

/** What a token allows on one repository, in the words of the protocol: `pull`, `push`, `delete`. */
export interface Grant {
  readonly repository: string;
  readonly actions: readonly Action[];
}

export type Action = keyof typeof capabilityOf;

/** The actions of the protocol as our policies call them. */
export const capabilityOf = { pull: 'read', push: 'create', delete: 'delete' } as const satisfies Record<
  string,
  Capability
>;

/** A client asks for the repository and the source of a mount; nobody needs more than a few. */
const maxScopes = 20;

/**
 * Reads `scope` of a token request: `repository:<name>:<actions>`, many in one text or many texts. Kinds that are not
 * ours (`registry:catalog:*`) and unknown actions give nothing, as the protocol has it; a name no repository can have
 * is refused.
 */
export function parseScopes(texts: readonly string[]): readonly Grant[] {
  const scopes = texts.flatMap((text) => text.split(' ')).filter((text) => text !== '');
  if (scopes.length > maxScopes)
    throw new Fault('invalid', 'registry.scope_invalid', `expected at most ${maxScopes} scopes`);
  const grants: Grant[] = [];
  for (const scope of scopes) {
    const match = /^repository(?:\([a-z0-9]+\))?:([^:]{1,255}):([a-z,*]{0,100})$/.exec(scope);
    if (match === null) continue;
    const [, repository = '', list = ''] = match;
    const wanted = new Set(list.split(','));
    grants.push({
      repository: checkRepository(repository),
      actions: allActions.filter((action) => wanted.has(action) || wanted.has('*')),
    });
  }
  return grants;
}

export const allActions: readonly Action[] = ['pull', 'push', 'delete'];

export function scopeText(grants: readonly Grant[]): string {
  return grants.map(({ repository, actions }) => `repository:${repository}:${actions.join(',')}`).join(' ');
}
