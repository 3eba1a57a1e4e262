import type { Migration } from '#platform';

export const releaseMigrations: Migration[] = [
  {
    name: 'release/0001-promotions',
    sql: `
      create table release_services (
        project text not null,
        service text not null,
        oci_repository text not null,
        repository text not null,
        definition json not null,
        definition_digest text not null,
        declared_at timestamptz not null,
        primary key (project, service)
      );

      create table release_releases (
        id text primary key,
        project text not null,
        service text not null,
        digest text not null,
        commit text not null,
        run_id text not null,
        author_email text,
        author_id text,
        offered_at timestamptz not null,
        unique (project, service, digest)
      );

      create table release_promotions (
        id text primary key,
        project text not null,
        service text not null,
        environment text not null,
        digest text not null,
        purpose text not null check (purpose in ('promote', 'rollback', 'drill')),
        automatic boolean not null,
        state text not null,
        actor_kind text not null,
        actor_id text not null,
        actor_name text not null,
        reason text not null,
        decisions integer not null,
        verdict json,
        verdict_bundle text,
        revision bigint,
        outcome text not null,
        requested_at timestamptz not null,
        updated_at timestamptz not null,
        concluded_at timestamptz
      );
      -- The rule itself, not only the code that keeps it: one promotion at a time per environment and service.
      create unique index release_promotions_active on release_promotions (project, service, environment)
        where state in ('requested', 'deciding', 'waiting', 'held', 'sealed', 'deployed');
      create index release_promotions_place on release_promotions (project, service, environment, requested_at);
      create index release_promotions_digest on release_promotions (digest);
      create unique index release_promotions_revision on release_promotions (project, service, environment, revision);

      create table release_approvals (
        id text primary key,
        project text not null,
        service text not null,
        environment text not null,
        digest text not null,
        person text not null,
        name text not null,
        groups json not null,
        comment text not null,
        approved_at timestamptz not null,
        sealed_at timestamptz,
        unique (project, service, environment, digest, person)
      );

      create table release_holds (
        project text not null,
        service text not null,
        environment text not null,
        actor_kind text not null,
        actor_id text not null,
        reason text not null,
        since timestamptz not null,
        primary key (project, service, environment)
      );
    `,
  },
  {
    name: 'release/0002-deployments',
    sql: `
      create table release_desired (
        project text not null,
        service text not null,
        environment text not null,
        revision bigint not null,
        digest text not null,
        promotion_id text not null references release_promotions (id),
        allocated_at timestamptz not null,
        statement text,
        verdict text,
        published_at timestamptz,
        primary key (project, service, environment, revision)
      );

      create table release_observed (
        project text not null,
        service text not null,
        environment text not null,
        report json not null,
        reporter text not null,
        observed_at timestamptz not null,
        since timestamptz not null,
        primary key (project, service, environment)
      );

      -- How long a digest has been healthy in a place: the longest stretch so far, and since when the running one is.
      create table release_residences (
        project text not null,
        service text not null,
        environment text not null,
        digest text not null,
        healthy_since timestamptz,
        last_healthy_at timestamptz,
        longest_seconds bigint not null,
        primary key (project, service, environment, digest)
      );

      create table release_drift (
        id text primary key,
        project text not null,
        service text not null,
        environment text not null,
        revision bigint not null,
        finding json not null,
        at timestamptz not null
      );
      create index release_drift_place on release_drift (project, service, environment, at);
    `,
  },
  {
    name: 'release/0003-definition-commit',
    sql: `
      -- Which commit brought the definition, so that an older one does not take its place.
      alter table release_services add column definition_commit text;
    `,
  },
];
