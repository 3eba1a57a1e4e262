import type { Migration } from '#platform';

export const keysMigration: Migration = {
  name: 'keyring/0001-keys',
  sql: `
    -- The root key, sealed. One row is current; a root rotation replaces it in the transaction that rewraps all KEKs.
    create table keyring_root (
      version integer primary key check (version > 0),
      seal_kind text not null,
      sealed bytea not null,
      created_at timestamptz not null
    );

    -- One key encryption key per scope and version, under the root key. "uses" counts the DEKs it wrapped.
    create table keyring_keks (
      scope text not null check (length(scope) between 1 and 300),
      version integer not null check (version > 0),
      root_version integer not null references keyring_root (version),
      wrapped bytea not null,
      uses bigint not null default 0,
      created_at timestamptz not null,
      primary key (scope, version)
    );

    -- Signing keys: the public half in the clear, the private half as a record of scope "system".
    create table keyring_signers (
      name text primary key,
      algorithm text not null,
      public_key bytea not null,
      key_version integer not null,
      wrapped_key bytea not null,
      nonce bytea not null,
      ciphertext bytea not null,
      created_at timestamptz not null
    );
  `,
};
