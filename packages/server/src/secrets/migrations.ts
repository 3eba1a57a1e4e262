import type { Migration } from '#platform';

export const secretsMigrations: Migration[] = [
  {
    name: 'secrets/0001-values',
    sql: `
      create table secrets_secrets (
        project text not null,
        environment text not null,
        path text not null,
        current_version integer not null,
        primary key (project, environment, path)
      );
      create table secrets_versions (
        project text not null,
        environment text not null,
        path text not null,
        version integer not null,
        created_by text not null,
        created_at timestamptz not null,
        primary key (project, environment, path, version),
        foreign key (project, environment, path) references secrets_secrets (project, environment, path)
      );
      create table secrets_values (
        id text primary key,
        project text not null,
        environment text not null,
        path text not null,
        version integer not null,
        key text not null,
        key_version integer not null,
        wrapped_key bytea not null,
        nonce bytea not null,
        ciphertext bytea not null,
        unique (project, environment, path, version, key),
        foreign key (project, environment, path, version)
          references secrets_versions (project, environment, path, version)
      );
      create index secrets_values_key_version on secrets_values (project, environment, key_version, id);
    `,
  },
  {
    name: 'secrets/0002-grants',
    sql: `
      create table secrets_grants (
        id text primary key,
        holder text not null,
        project text not null,
        environment text not null,
        created_at timestamptz not null,
        expires_at timestamptz not null,
        ended_at timestamptz
      );
      create index secrets_grants_open on secrets_grants (holder) where ended_at is null;
      create table secrets_grant_items (
        grant_id text not null references secrets_grants (id),
        name text not null,
        path text not null,
        key text not null,
        version integer not null,
        delivery text not null check (delivery in ('env', 'file')),
        primary key (grant_id, name)
      );
    `,
  },
];
