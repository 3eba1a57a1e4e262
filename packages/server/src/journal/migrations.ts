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
  {
    // A row for each record cost a write five rows and their places in three indexes. Nothing looks for one of them.
    name: 'journal/0002-changes',
    sql: `
create table journal_changes (
  epoch bigint not null,
  part integer not null,
  packed bytea not null,
  primary key (epoch, part)
) with (toast_tuple_target = 8160);
comment on table journal_changes is 'what each epoch changed, see packed.ts: the last word about a record is what it is';
alter table journal_changes alter column packed set storage external;

insert into journal_changes (epoch, part, packed)
select moment.epoch, row_number() over (order by number), packed
from journal_moment as moment, (
  select number, string_agg(packed, ''::bytea order by scope, path) as packed
  from (
    select scope, path, packed, sum(octet_length(packed)) over (order by scope, path) / 4000 as number
    from (
      select scope, path, int4send(octet_length(scope)) || convert_to(scope, 'UTF8')
        || int4send(octet_length(path)) || convert_to(path, 'UTF8')
        || int4send(octet_length(sealed)) || sealed as packed
      from journal_records where sealed is not null
    ) as each
  ) as numbered
  group by number
) as parts;
update journal_moment set swept = epoch;
drop table journal_records;
comment on column journal_moment.swept is 'what was overwritten or gone at this epoch may be removed: who is behind it reloads';
`,
  },
];
