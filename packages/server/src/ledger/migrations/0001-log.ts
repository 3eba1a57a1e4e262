import type { Migration } from '#platform';

export const logMigration: Migration = {
  name: 'ledger/0001-log',
  sql: `
    -- Entries that are durable but have no place in the tree yet. Written by whoever changes state, in its transaction.
    create table ledger_outbox (
      seq bigint generated always as identity primary key,
      entry_id text not null unique,
      resource text,
      body bytea not null,
      -- Finds a body that changed before it got its place; not a defence against who changes both.
      leaf_hash bytea not null,
      -- Set by the sequencer on a row that no appender of ours writes; reported by verify, never integrated.
      refused boolean not null default false
    );

    -- The leaves. Every column follows from "body" and its place; verify checks that.
    create table ledger_entries (
      leaf_index bigint primary key check (leaf_index >= 0),
      entry_id text not null unique,
      resource text,
      body bytea not null
    );
    create index ledger_entries_resource on ledger_entries (resource, leaf_index) where resource is not null;

    -- Tiles of up to 256 hashes (c2sp.org/tlog-tiles); the right edge grows, full ones never change.
    create table ledger_tiles (
      level smallint not null check (level between 0 and 6),
      tile_index bigint not null check (tile_index >= 0),
      hashes bytea not null check (length(hashes) between 32 and 8192 and length(hashes) % 32 = 0),
      primary key (level, tile_index)
    );

    -- Every tree head that was ever signed.
    create table ledger_checkpoints (
      tree_size bigint primary key check (tree_size > 0),
      note text not null
    );

    -- One row: the size of the tree. Locking it makes a second sequencer with an old snapshot fail instead of fork.
    create table ledger_head (
      one boolean primary key default true check (one),
      tree_size bigint not null check (tree_size >= 0)
    );
    insert into ledger_head (tree_size) values (0);
  `,
};
