import type { Migration } from '#platform';

export const journalMigrations: readonly Migration[] = [
  {
    name: 'journal/0001-journal',
    sql: `
create table journal_moment (
  one boolean primary key default true check (one),
  epoch bigint not null,
  clock bigint not null,
  swept bigint not null,
  mark bytea,
  state_key bytea
);
comment on column journal_moment.swept is 'records that were gone at this epoch may be removed: who is behind it reloads';
comment on column journal_moment.mark is 'masked hash of all records; null only while no record was ever written';
comment on column journal_moment.state_key is 'key of that hash, sealed by the keyring';
insert into journal_moment (epoch, clock, swept) values (0, 0, 0);

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
create index journal_records_gone on journal_records (epoch) where sealed is null;

create table journal_batches (
  id bigint generated always as identity primary key,
  at bigint not null,
  lines integer not null,
  body bytea not null,
  place bigint unique,
  chain bytea,
  check ((place is null) = (chain is null))
);
create index journal_batches_pending on journal_batches (id) where place is null;

create table journal_sealed (
  source text primary key,
  place bigint not null,
  chain bytea not null
);
insert into journal_sealed (source, place, chain)
values ('file', 0, decode(repeat('00', 32), 'hex')), ('table', 0, decode(repeat('00', 32), 'hex'));
`,
  },
];
