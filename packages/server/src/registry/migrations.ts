import type { Migration } from '#platform';

export const registryMigrations: Migration[] = [
  {
    name: 'registry/0001-blobs',
    sql: `
      -- One row per content. "file" names this row's own file, so that removing a row never removes the file of a
      -- later upload of the same content.
      create table registry_blobs (
        digest text primary key,
        size_bytes bigint not null,
        file text not null,
        touched_at timestamptz not null
      );
      -- Content is readable in a repository only through a link of that repository.
      create table registry_links (
        repository text not null,
        digest text not null references registry_blobs (digest),
        linked_at timestamptz not null,
        primary key (repository, digest)
      );
      create index registry_links_digest on registry_links (digest);
      create table registry_uploads (
        id text primary key,
        repository text not null,
        actor_id text not null,
        offset_bytes bigint not null,
        updated_at timestamptz not null
      );
    `,
  },
  {
    name: 'registry/0002-manifests',
    sql: `
      create table registry_manifests (
        repository text not null,
        digest text not null,
        media_type text not null,
        content bytea not null,
        subject text,
        artifact_type text,
        annotations jsonb not null,
        pushed_at timestamptz not null,
        primary key (repository, digest)
      );
      create index registry_manifests_subject on registry_manifests (repository, subject, digest)
        where subject is not null;
      create table registry_manifest_refs (
        repository text not null,
        manifest text not null,
        kind text not null check (kind in ('blob', 'manifest')),
        digest text not null,
        primary key (repository, manifest, kind, digest),
        foreign key (repository, manifest) references registry_manifests (repository, digest) on delete cascade
      );
      create index registry_manifest_refs_digest on registry_manifest_refs (repository, kind, digest);
      create table registry_tags (
        repository text not null,
        tag text not null,
        digest text not null,
        pushed_at timestamptz not null,
        primary key (repository, tag),
        foreign key (repository, digest) references registry_manifests (repository, digest)
      );
      create index registry_tags_digest on registry_tags (repository, digest);
    `,
  },
];
