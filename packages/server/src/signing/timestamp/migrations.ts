import type { Migration } from '#platform';

/** Keys are numbered, so that one can take the place of another. */
export const timestampMigration: Migration = {
  name: 'signing/0003-timestamps',
  sql: `
    create table signing_timestamp_authorities (
      key_id text primary key,
      leaf bytea not null,
      root bytea not null,
      valid_from timestamptz not null,
      valid_until timestamptz not null,
      last_said timestamptz not null,
      number integer not null,
      ended_at timestamptz
    );
    create unique index signing_timestamp_authorities_number on signing_timestamp_authorities (number);
    create unique index signing_timestamp_authorities_current on signing_timestamp_authorities ((true))
      where ended_at is null;
  `,
};
