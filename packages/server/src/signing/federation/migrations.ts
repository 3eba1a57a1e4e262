import type { Migration } from '#platform';

export const federationMigration: Migration = {
  name: 'signing/0005-federation',
  sql: `
    create table signing_federation_rules (
      name text primary key,
      kind text not null,
      issuer text not null,
      audience text not null,
      claims jsonb not null,
      jwks_url text,
      ca_pem text not null,
      web_url text,
      created_at timestamptz not null
    );
  `,
};
