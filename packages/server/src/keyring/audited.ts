import type { AuditedTable, Json } from '#platform';
import type { KeyringStore } from './store.ts';

/**
 * The states the ledger knows of keys: which exist and since when. Not the wrapped bytes, which a rotation of the key
 * above changes, and not the use counts, which change with every encryption.
 */
export function rootResource(version: number): string {
  return `root-key/${version}`;
}

export function rootState(version: number, sealKind: string, createdAt: Date): Json {
  return { version, seal: sealKind, createdAt: createdAt.toISOString() };
}

export function kekResource(scope: string, version: number): string {
  return `kek/${scope}/${version}`;
}

export function kekState(scope: string, version: number, createdAt: Date): Json {
  return { scope, version, createdAt: createdAt.toISOString() };
}

export const recoveryResource = 'recovery-key/current';

export function recoveryState(shares: number, threshold: number, createdAt: Date): Json {
  return { shares, threshold, createdAt: createdAt.toISOString() };
}

export function signerResource(name: string): string {
  return `signer/${name}`;
}

export function signerState(name: string, algorithm: string, keyId: string, createdAt: Date): Json {
  return { name, algorithm, keyId, createdAt: createdAt.toISOString() };
}

export function auditedTables(
  store: KeyringStore,
  keyIdOf: (publicKey: Uint8Array) => string,
): readonly AuditedTable[] {
  return [
    {
      kind: 'root-key',
      states: async (tx) =>
        (await store.listRoots(tx)).map(
          (row) => [rootResource(row.version), rootState(row.version, row.sealKind, row.createdAt)] as const,
        ),
    },
    {
      kind: 'kek',
      states: async (tx) =>
        (await store.listKeks(tx)).map(
          (row) =>
            [kekResource(row.scope, row.version), kekState(row.scope, row.version, row.createdAt)] as const,
        ),
    },
    {
      kind: 'recovery-key',
      states: async (tx) => {
        const row = await store.findRecovery(tx);
        if (row === undefined) return [];
        return [[recoveryResource, recoveryState(row.shares, row.threshold, row.createdAt)] as const];
      },
    },
    {
      kind: 'signer',
      states: async (tx) =>
        (await store.listSigners(tx)).map(
          (row) =>
            [
              signerResource(row.name),
              signerState(row.name, row.algorithm, keyIdOf(row.publicKey), row.createdAt),
            ] as const,
        ),
    },
  ];
}
