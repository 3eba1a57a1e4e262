import { Fault } from '@sallyport/formats';
import type { Actor, Audit, Clock, Db, Ids, Tx } from '#platform';
import { adminPolicy } from '../policy/built-in.ts';
import { assertMayGrant } from '../policy/grantable.ts';
import {
  checkName,
  checkPersonName,
  idPrefixOf,
  nameSet,
  normalizeEmail,
  type Principal,
  type PrincipalKind,
  principalResource,
  principalState,
} from './principal.ts';
import { peopleStore } from './store.pg.ts';

export interface NewPerson {
  readonly name: string;
  readonly emails: readonly string[];
  readonly groups?: readonly string[];
  readonly policies?: readonly string[];
}

export interface NewWorkload {
  readonly kind: 'workload' | 'agent';
  readonly name: string;
  readonly policies?: readonly string[];
}

/** Absent fields stay as they are. */
export interface PrincipalChange {
  readonly name?: string;
  readonly emails?: readonly string[];
  readonly groups?: readonly string[];
  readonly policies?: readonly string[];
  readonly disabled?: boolean;
}

export interface People {
  createPerson(actor: Actor, person: NewPerson): Promise<Principal>;
  /** Like `createPerson`, in the caller's transaction. */
  addPerson(tx: Tx, actor: Actor, person: NewPerson): Promise<Principal>;
  createWorkload(actor: Actor, workload: NewWorkload): Promise<Principal>;
  /** Changes one principal; the last administrator can neither be disabled nor lose the policy. */
  updatePrincipal(actor: Actor, id: string, change: PrincipalChange): Promise<Principal>;
  getPrincipal(id: string): Promise<Principal>;
  listPrincipals(kinds: readonly PrincipalKind[]): Promise<readonly Principal[]>;
  findPersonByEmail(email: string): Promise<Principal | undefined>;
}

export function createPeople(deps: {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
}): People {
  const { db, audit, clock, ids } = deps;

  async function insert(tx: Tx, actor: Actor, principal: Principal): Promise<Principal> {
    assertMayGrant(actor, principal);
    await peopleStore.insert(tx, principal);
    await audit.record(tx, {
      type: 'identity.principal.created',
      actor,
      resource: principalResource(principal),
      state: principalState(principal),
    });
    return principal;
  }

  const addPerson: People['addPerson'] = (tx, actor, person) =>
    insert(tx, actor, {
      id: ids.next(idPrefixOf('person')),
      kind: 'person',
      name: checkPersonName(person.name),
      emails: emailSet(person.emails),
      groups: nameSet(person.groups ?? [], 'groups'),
      policies: nameSet(person.policies ?? [], 'policies'),
      disabled: false,
      createdAt: clock.now(),
    });

  return {
    addPerson,

    createPerson: (actor, person) => db.write((tx) => addPerson(tx, actor, person)),

    createWorkload: (actor, workload) =>
      db.write((tx) =>
        insert(tx, actor, {
          id: ids.next(idPrefixOf(workload.kind)),
          kind: workload.kind,
          name: checkName(workload.name, 'a name'),
          emails: [],
          groups: [],
          policies: nameSet(workload.policies ?? [], 'policies'),
          disabled: false,
          createdAt: clock.now(),
        }),
      ),

    updatePrincipal: (actor, id, change) =>
      db.write(async (tx) => {
        await peopleStore.lockAdministrators(tx);
        const before = await peopleStore.findForUpdate(tx, id);
        if (before === undefined) throw noPrincipal(id);
        const after = apply(before, change);
        // Also what it had: else someone with less could disable, rename or re-address an administrator.
        assertMayGrant(actor, before);
        assertMayGrant(actor, after);
        await peopleStore.update(tx, after, clock.now());
        if (before.policies.includes(adminPolicy) && !(await peopleStore.anyoneHolds(tx, adminPolicy)))
          throw new Fault(
            'conflict',
            'identity.last_administrator',
            'expected an administrator to remain, but this is the last one',
            { hint: 'give another person the policy "admin" first' },
          );
        await audit.record(tx, {
          type: 'identity.principal.changed',
          actor,
          resource: principalResource(after),
          state: principalState(after),
        });
        return after;
      }),

    async getPrincipal(id) {
      const found = await db.read((tx) => peopleStore.find(tx, id));
      if (found === undefined) throw noPrincipal(id);
      return found;
    },

    listPrincipals: (kinds) => db.read((tx) => peopleStore.list(tx, kinds)),

    async findPersonByEmail(email) {
      let address: string;
      try {
        address = normalizeEmail(email);
      } catch {
        // A commit may carry any text as its author; text that is no address belongs to nobody.
        return undefined;
      }
      return await db.read((tx) => peopleStore.findByEmail(tx, address));
    },
  };
}

function apply(before: Principal, change: PrincipalChange): Principal {
  const person = before.kind === 'person';
  if (!person && (change.emails !== undefined || change.groups !== undefined))
    throw new Fault(
      'invalid',
      'identity.not_a_person',
      `expected a person, but ${before.id} is a ${before.kind}`,
    );
  return {
    ...before,
    name:
      change.name === undefined
        ? before.name
        : person
          ? checkPersonName(change.name)
          : checkName(change.name, 'a name'),
    emails: change.emails === undefined ? before.emails : emailSet(change.emails),
    groups: change.groups === undefined ? before.groups : nameSet(change.groups, 'groups'),
    policies: change.policies === undefined ? before.policies : nameSet(change.policies, 'policies'),
    disabled: change.disabled ?? before.disabled,
  };
}

function emailSet(emails: readonly string[]): readonly string[] {
  if (emails.length > 20)
    throw new Fault(
      'invalid',
      'identity.email_invalid',
      `expected at most 20 addresses, got ${emails.length}`,
    );
  return [...new Set(emails.map(normalizeEmail))].sort();
}

function noPrincipal(id: string): Fault {
  return new Fault(
    'not_found',
    'identity.principal_unknown',
    `expected a principal, found none with id "${id.slice(0, 80)}"`,
  );
}
