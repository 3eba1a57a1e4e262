import type { Migration } from '#platform';

export const trustMigration: Migration = {
  name: 'signing/0020-tuf',
  sql: `
    create table signing_tuf_files (
      path text primary key,
      role text not null,
      version integer not null,
      bytes bytea not null,
      expires_at timestamptz,
      written_at timestamptz not null
    );
    create unique index signing_tuf_files_version on signing_tuf_files (role, version) where role <> 'target';
  `,
};

/** Pairs of keys for targets and for snapshot and timestamp; the first pair is there without a row. */
export const trustKeysMigration: Migration = {
  name: 'signing/0023-tuf-keys',
  sql: `
    create table signing_tuf_keys (
      number integer primary key,
      keys text not null,
      made_at timestamptz not null
    );
  `,
};
