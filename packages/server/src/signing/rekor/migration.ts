import type { Migration } from '#platform';

export const rekorMigration: Migration = {
  name: 'signing/0006-promises',
  sql: `
    -- Signed entry timestamps of the first log API. The signature covers body, place, log and time.
    create table signing_rekor_promises (
      entry_id text primary key,
      integrated_time bigint not null,
      signature bytea not null
    );
  `,
};
