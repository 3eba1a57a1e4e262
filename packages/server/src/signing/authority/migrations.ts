import type { Migration } from '#platform';

export const authorityMigration: Migration = {
  name: 'signing/0004-authorities',
  sql: `
    -- One row per generation of the certificate authority; the highest number issues, the others stay to be verified.
    create table signing_authorities (
      number integer primary key check (number > 0),
      root_number integer not null check (root_number > 0),
      root bytea not null,
      intermediate bytea not null,
      created_at timestamptz not null
    );
  `,
};
