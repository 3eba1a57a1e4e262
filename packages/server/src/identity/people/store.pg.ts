import { Fault } from '@sallyport/formats';
import { type Selectable, sql } from 'kysely';
import { type Tx, tablesOf } from '#platform';
import type { Principal, PrincipalKind } from './principal.ts';
import type { PeopleStore } from './store.ts';

interface Tables {
  identity_principals: {
    id: string;
    kind: PrincipalKind;
    name: string;
    groups: unknown;
    policies: unknown;
    disabled: boolean;
    created_at: Date;
    updated_at: Date;
  };
  identity_emails: { email: string; principal_id: string };
}

/** Any constant of our own: pg advisory locks share one number space, so it is spelled from the table's name. */
const administratorsLock = 'identity_principals.administrators';

export const peopleStore: PeopleStore = {
  async insert(tx, principal) {
    const tables = tablesOf<Tables>(tx);
    const taken =
      principal.kind === 'person'
        ? undefined
        : await tables
            .selectFrom('identity_principals')
            .select('id')
            .where('kind', '=', principal.kind)
            .where('name', '=', principal.name)
            .executeTakeFirst();
    if (taken !== undefined)
      throw new Fault(
        'conflict',
        'identity.name_taken',
        `${principal.kind} "${principal.name}" exists already`,
      );
    await tables
      .insertInto('identity_principals')
      .values({
        id: principal.id,
        kind: principal.kind,
        name: principal.name,
        groups: JSON.stringify(principal.groups),
        policies: JSON.stringify(principal.policies),
        disabled: principal.disabled,
        created_at: principal.createdAt,
        updated_at: principal.createdAt,
      })
      .execute();
    await insertEmails(tx, principal);
  },

  async update(tx, principal, at) {
    const tables = tablesOf<Tables>(tx);
    await tables
      .updateTable('identity_principals')
      .set({
        name: principal.name,
        groups: JSON.stringify(principal.groups),
        policies: JSON.stringify(principal.policies),
        disabled: principal.disabled,
        updated_at: at,
      })
      .where('id', '=', principal.id)
      .execute();
    await tables.deleteFrom('identity_emails').where('principal_id', '=', principal.id).execute();
    await insertEmails(tx, principal);
  },

  async find(tx, id) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('identity_principals')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row === undefined ? undefined : toPrincipal(row, await emailsOf(tx, [row.id]));
  },

  async findForUpdate(tx, id) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('identity_principals')
      .selectAll()
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirst();
    return row === undefined ? undefined : toPrincipal(row, await emailsOf(tx, [row.id]));
  },

  async findByEmail(tx, email) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('identity_emails')
      .select('principal_id')
      .where('email', '=', email)
      .executeTakeFirst();
    return row === undefined ? undefined : peopleStore.find(tx, row.principal_id);
  },

  async list(tx, kinds) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('identity_principals')
      .selectAll()
      .where('kind', 'in', [...kinds])
      .orderBy('id')
      .execute();
    const emails = await emailsOf(
      tx,
      rows.map((row) => row.id),
    );
    return rows.map((row) => toPrincipal(row, emails));
  },

  async anyoneHolds(tx, policy) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('identity_principals')
      .select('id')
      .where('disabled', '=', false)
      .where(sql<boolean>`policies @> ${JSON.stringify([policy])}::jsonb`)
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  },

  async lockAdministrators(tx) {
    await sql`select pg_advisory_xact_lock(hashtextextended(${administratorsLock}, 0))`.execute(tx);
  },
};

async function insertEmails(tx: Tx, principal: Principal): Promise<void> {
  if (principal.emails.length === 0) return;
  const inserted = await tablesOf<Tables>(tx)
    .insertInto('identity_emails')
    .values(principal.emails.map((email) => ({ email, principal_id: principal.id })))
    .onConflict((on) => on.column('email').doNothing())
    .returning('email')
    .execute();
  if (inserted.length !== principal.emails.length)
    throw new Fault('conflict', 'identity.email_taken', 'an email address belongs to another person already');
}

async function emailsOf(tx: Tx, ids: readonly string[]): Promise<ReadonlyMap<string, string[]>> {
  const emails = new Map<string, string[]>();
  if (ids.length === 0) return emails;
  const rows = await tablesOf<Tables>(tx)
    .selectFrom('identity_emails')
    .selectAll()
    .where('principal_id', 'in', [...ids])
    .orderBy('email')
    .execute();
  for (const row of rows) emails.set(row.principal_id, [...(emails.get(row.principal_id) ?? []), row.email]);
  return emails;
}

function toPrincipal(
  row: Selectable<Tables['identity_principals']>,
  emails: ReadonlyMap<string, string[]>,
): Principal {
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    // Sorted here and not by the database, whose collation may differ between two engines.
    emails: (emails.get(row.id) ?? []).sort(),
    groups: stringList(row.groups),
    policies: stringList(row.policies),
    disabled: row.disabled,
    createdAt: row.created_at,
  };
}

function stringList(value: unknown): readonly string[] {
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value;
  throw new Fault('integrity', 'identity.row_invalid', 'expected a stored list of names');
}
