import type { Migration } from '#platform';

export const witnessMigration: Migration = {
  name: 'ledger/0002-witness',
  sql: `
    -- As a witness: the last tree of each other log that was cosigned. Written before the cosignature leaves.
    create table ledger_witnessed (
      origin text primary key,
      tree_size bigint not null check (tree_size >= 0),
      root_hash bytea not null check (length(root_hash) = 32)
    );

    -- As a log: what witnesses said about our checkpoints.
    create table ledger_cosignatures (
      tree_size bigint not null,
      witness text not null,
      line text not null,
      primary key (tree_size, witness)
    );
    create index ledger_cosignatures_witness on ledger_cosignatures (witness, tree_size);
  `,
};
