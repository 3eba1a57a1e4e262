import type { Migration } from '#platform';

export const recoveryMigration: Migration = {
  name: 'keyring/0002-recovery',
  sql: `
    -- The key that the holders of recovery shares have together, under the root key. They prove with it who they are
    -- where a machine opens the seal. One row at most.
    create table keyring_recovery (
      id smallint primary key check (id = 1),
      shares smallint not null check (shares between 1 and 255),
      threshold smallint not null check (threshold between 1 and shares),
      root_version integer not null,
      wrapped bytea not null,
      created_at timestamptz not null
    );
  `,
};
