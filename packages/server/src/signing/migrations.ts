import type { Migration } from '#platform';
import { authorityMigration } from './authority/migrations.ts';
import { federationMigration } from './federation/migrations.ts';
import { rekorMigration } from './rekor/migration.ts';
import { timestampMigration } from './timestamp/migrations.ts';
import { trustMigration } from './trust/migrations.ts';

export const signingMigrations: Migration[] = [
  {
    name: 'signing/0001-evidence',
    sql: `
      create table signing_keys (
        hint text primary key,
        public_key bytea not null,
        valid_from timestamptz not null,
        valid_until timestamptz
      );
      -- At most one key signs at a time; a second replica with an older key is refused.
      create unique index signing_keys_active on signing_keys ((true)) where valid_until is null;

      create table signing_evidence (
        id text primary key,
        key text not null unique,
        subject text not null,
        subject_name text not null,
        predicate_type text not null,
        payload bytea not null,
        signature bytea not null,
        key_hint text not null references signing_keys (hint),
        entry_id text,
        oci_repository text,
        signed_at timestamptz not null,
        bundle text,
        bundle_digest text,
        log_index bigint,
        sealed_at timestamptz,
        attached_at timestamptz
      );
      create index signing_evidence_subject on signing_evidence (subject, log_index);
      create index signing_evidence_unfinished on signing_evidence (signed_at)
        where bundle is null or (oci_repository is not null and attached_at is null);

      create table signing_trust_roots (
        payload_digest text primary key,
        document text not null,
        created_at timestamptz not null
      );
    `,
  },
  trustMigration,
  timestampMigration,
  authorityMigration,
  federationMigration,
  rekorMigration,
  {
    name: 'signing/0007-revocations',
    sql: `
      create table signing_revocations (
        -- One row: the newest list. The lists before it are evidence.
        one boolean primary key check (one),
        sequence bigint not null,
        predicate text not null
      );
      create index signing_evidence_signed_at on signing_evidence (signed_at);
    `,
  },
];
