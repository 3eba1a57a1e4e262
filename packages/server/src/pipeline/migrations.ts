import type { Migration } from '#platform';

export const pipelineMigrations: Migration[] = [
  {
    name: 'pipeline/0001-repositories',
    sql: `
      create table pipeline_repositories (
        id text primary key,
        project text not null,
        name text not null,
        source text not null,
        default_ref text not null,
        protected_refs jsonb not null,
        definition_path text not null,
        allowed_signers text not null,
        openpgp_keys text not null,
        revoked text not null,
        poll_seconds integer not null,
        webhook text check (webhook in ('github', 'gitlab', 'gitea')),
        polled_at timestamptz,
        poll_error text,
        created_at timestamptz not null,
        unique (project, name)
      );
      -- The commit each ref was last seen at: a change of a row and the run it starts are one transaction.
      create table pipeline_refs (
        repository_id text not null references pipeline_repositories (id) on delete cascade,
        ref text not null,
        object text not null,
        primary key (repository_id, ref)
      );
      create table pipeline_deliveries (
        repository_id text not null references pipeline_repositories (id) on delete cascade,
        delivery text not null,
        received_at timestamptz not null,
        primary key (repository_id, delivery)
      );
    `,
  },
  {
    name: 'pipeline/0002-runs',
    sql: `
      create table pipeline_runs (
        id text primary key,
        project text not null,
        service text not null,
        repository_id text not null,
        repository text not null,
        trigger text not null check (trigger in ('push', 'tag', 'pull_request', 'manual')),
        started_by text not null,
        ref text not null,
        commit_id text not null,
        -- Text, not jsonb: the order of keys means something in a definition.
        commit_facts text not null,
        trust text not null check (trust in ('trusted', 'untrusted')),
        definition text,
        definition_digest text,
        definition_commit text,
        signature text not null,
        source_digest text,
        state text not null,
        attempt integer not null,
        max_attempts integer not null,
        reason text,
        agent_id text,
        lease_hash bytea,
        lease_expires timestamptz,
        report text,
        image_digest text,
        created_at timestamptz not null,
        updated_at timestamptz not null
      );
      create index pipeline_runs_by_project on pipeline_runs (project, created_at desc, id);
      create index pipeline_runs_open on pipeline_runs (state, created_at) where state in ('queued', 'building', 'built');
      create table pipeline_steps (
        run_id text not null references pipeline_runs (id),
        attempt integer not null,
        name text not null,
        phase text not null check (phase in ('build', 'verify')),
        ordinal integer not null,
        status text not null,
        has_effects boolean not null,
        granted_at timestamptz,
        finished_at timestamptz,
        report text,
        log_digest text,
        log_bytes bigint,
        log_truncated boolean,
        primary key (run_id, attempt, name)
      );
    `,
  },
  {
    name: 'pipeline/0003-step-secrets',
    sql: `
      -- Which versions of which secrets a step could see, so that a leak leads to the artifacts it touched.
      alter table pipeline_steps add column secrets text not null default '[]';
      create index pipeline_runs_by_agent on pipeline_runs (agent_id) where state = 'building';
    `,
  },
];
