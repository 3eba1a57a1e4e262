import type { Migration } from '#platform';

export const trustMigration: Migration = {
  name: 'signing/0002-tuf',
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
    create table signing_tuf_keys (
      number integer primary key,
      keys text not null,
      made_at timestamptz not null
    );
    comment on table signing_tuf_keys is
      'pairs of keys, for targets and for snapshot and timestamp; the first pair is there without a row';
  `,
};
