import type { Migration } from '#platform';

export const identityMigrations: Migration[] = [
  {
    name: 'identity/0001-principals',
    sql: `
      create table identity_principals (
        id text primary key,
        kind text not null check (kind in ('person', 'workload', 'agent')),
        name text not null,
        groups jsonb not null,
        policies jsonb not null,
        disabled boolean not null default false,
        created_at timestamptz not null,
        updated_at timestamptz not null
      );
      create unique index identity_principals_workload_name on identity_principals (kind, name) where kind <> 'person';
      -- An address belongs to one person: approvals with four eyes compare people by the address of a commit.
      create table identity_emails (
        email text primary key,
        principal_id text not null references identity_principals (id)
      );
      create index identity_emails_principal on identity_emails (principal_id);
    `,
  },
  {
    name: 'identity/0002-policies',
    sql: `
      create table identity_policies (
        name text primary key,
        rules jsonb not null,
        updated_at timestamptz not null
      );
    `,
  },
  {
    name: 'identity/0003-tokens',
    sql: `
      create table identity_tokens (
        accessor text primary key,
        hash bytea not null unique check (octet_length(hash) = 32),
        principal_id text not null references identity_principals (id),
        policies jsonb not null,
        description text not null,
        created_at timestamptz not null,
        expires_at timestamptz not null,
        revoked_at timestamptz,
        last_used_at timestamptz
      );
      create index identity_tokens_principal on identity_tokens (principal_id, accessor);
      -- Only hashes of bootstrap tokens that may still be exchanged; emptied with the first administrator.
      create table identity_bootstrap (
        hash bytea primary key check (octet_length(hash) = 32),
        expires_at timestamptz not null
      );
    `,
  },
  {
    name: 'identity/0004-step-tokens',
    sql: `
      create table identity_step_tokens (
        id text primary key,
        run_id text not null,
        step text not null,
        subject text not null,
        audience text not null,
        issued_at timestamptz not null,
        expires_at timestamptz not null,
        ended_at timestamptz
      );
      create index identity_step_tokens_open on identity_step_tokens (run_id, step) where ended_at is null;
    `,
  },
];
