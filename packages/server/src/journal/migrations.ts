import type { Migration } from '#platform';

export const journalMigrations: readonly Migration[] = [
  {
    name: 'journal/0001-journal',
    sql: `
create table journal_moment (
  one boolean primary key default true check (one),
  epoch bigint not null,
  clock bigint not null
);
insert into journal_moment (epoch, clock) values (0, 0);

create table journal_records (
  scope text collate "C" not null,
  path text collate "C" not null,
  epoch bigint not null,
  sealed bytea,
  primary key (scope, path)
);
comment on column journal_records.sealed is 'null: the record is gone, and other replicas have to hear of it';
alter table journal_records alter column sealed set storage external;
create index journal_records_epoch on journal_records (epoch);

create table journal_batches (
  id bigint generated always as identity primary key,
  lines integer not null,
  body bytea not null,
  place bigint unique
);
create index journal_batches_pending on journal_batches (id) where place is null;

create table journal_sealed (
  source text primary key,
  place bigint not null,
  chain bytea not null
);
`,
  },
];
