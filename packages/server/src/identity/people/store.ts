import type { Tx } from '#platform';
import type { Principal, PrincipalKind } from './principal.ts';

/** Principals and their addresses. Each function is atomic with its `tx`; nothing is cached. */
export interface PeopleStore {
  /** Throws `conflict` when a workload's name or an email is taken. */
  insert(tx: Tx, principal: Principal): Promise<void>;
  /** Replaces emails, groups, policies, name and disabled. Throws `conflict` when an email is taken. */
  update(tx: Tx, principal: Principal, at: Date): Promise<void>;
  find(tx: Tx, id: string): Promise<Principal | undefined>;
  /** Like `find`, and holds the row until the transaction ends. */
  findForUpdate(tx: Tx, id: string): Promise<Principal | undefined>;
  findByEmail(tx: Tx, email: string): Promise<Principal | undefined>;
  list(tx: Tx, kinds: readonly PrincipalKind[]): Promise<Principal[]>;
  /** Whether an enabled principal holds `policy`. */
  anyoneHolds(tx: Tx, policy: string): Promise<boolean>;
  /** Serializes the changes that decide whether an administrator remains; held until the transaction ends. */
  lockAdministrators(tx: Tx): Promise<void>;
}
