import type { Migration } from '#platform';

export const vaultMigrations: readonly Migration[] = [
  {
    name: 'vault/0001-readers',
    sql: `
create table vault_readers (
  mount_id text collate "C" not null,
  path text collate "C" not null,
  reader text collate "C" not null,
  name text not null,
  aliases text[] not null,
  first_at bigint not null,
  last_at bigint not null,
  version integer not null,
  reads bigint not null,
  primary key (mount_id, path, reader)
);
comment on table vault_readers is 'who read which secret: observed, and rebuilt from the audit after a crash';
create index vault_readers_last on vault_readers (last_at);

create table vault_reader_positions (
  replica text primary key,
  file bigint not null,
  place bigint not null,
  at bigint not null
);
comment on table vault_reader_positions is 'up to where in the audit the reads of a replica are in vault_readers';
`,
  },
];
