import type { Turn } from '#journal';
import type { Core } from '../core.ts';
import { type Issued, issue } from './issue.ts';

/** A token that may do everything, without end. It can be revoked like any other. */
export function issueRoot(turn: Turn, core: Core, chosen?: string): Issued {
  return issue(turn, core, {
    type: 'service',
    path: 'auth/token/root',
    displayName: 'root',
    policies: ['root'],
    meta: {},
    numUses: 0,
    orphan: true,
    entityId: '',
    ttl: 0,
    maxTtl: 0,
    explicitMaxTtl: 0,
    period: 0,
    renewable: false,
    boundCidrs: [],
    environments: ['*'],
    ...(chosen === undefined ? {} : { chosen }),
  });
}
