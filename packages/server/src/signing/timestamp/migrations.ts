import type { Migration } from '#platform';

export const timestampMigration: Migration = {
  name: 'signing/0021-timestamps',
  sql: `
    create table signing_timestamp_authorities (
      key_id text primary key,
      leaf bytea not null,
      root bytea not null,
      valid_from timestamptz not null,
      valid_until timestamptz not null,
      last_said timestamptz not null
    );
  `,
};

/** Keys are numbered, so that one can take the place of another. */
export const timestampKeysMigration: Migration = {
  name: 'signing/0022-timestamp-keys',
  sql: `
    alter table signing_timestamp_authorities add column number integer not null default 1;
    alter table signing_timestamp_authorities alter column number drop default;
    alter table signing_timestamp_authorities add column ended_at timestamptz;
    create unique index signing_timestamp_authorities_number on signing_timestamp_authorities (number);
    create unique index signing_timestamp_authorities_current on signing_timestamp_authorities ((true))
      where ended_at is null;
  `,
};
