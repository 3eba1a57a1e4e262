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
