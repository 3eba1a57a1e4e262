import { Fault } from '@sallyport/formats';
import type { Actor } from '#platform';
import { adminPolicy } from './built-in.ts';

/**
 * Whoever may create people or tokens must not thereby become more than they are: policies and groups can be handed
 * on only by someone who holds them, or by an administrator.
 */
export function assertMayGrant(
  actor: Actor,
  given: { readonly policies?: readonly string[]; readonly groups?: readonly string[] },
): void {
  if (isAdministrator(actor)) return;
  const policies = (given.policies ?? []).filter((name) => !actor.policies.includes(name));
  const groups = (given.groups ?? []).filter((name) => !actor.groups.includes(name));
  if (policies.length + groups.length > 0)
    throw new Fault(
      'denied',
      'identity.escalation',
      `expected only policies and groups you hold yourself, got "${[...policies, ...groups].join('", "')}"`,
      { hint: 'ask an administrator' },
    );
}

export function isAdministrator(actor: Actor): boolean {
  return actor.kind === 'system' || actor.policies.includes(adminPolicy);
}
