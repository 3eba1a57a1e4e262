import type { Call, Records } from '../../backend.ts';
import { cidrsContain } from '../../credentials/cidr.ts';
import type { JsonObject } from '../../fields.ts';
import type { KeyedHash } from '../../keyed-hash.ts';
import { jsonCodec } from '../../records.ts';
import type { AppRole } from './role.ts';

/** What is kept about a secret id: not the id. */
export interface SecretId {
  /** Names it, and cannot be used as one: a keyed hash of it. */
  readonly accessor: string;
  readonly createdAt: number;
  /** Milliseconds since the epoch; 0 is never. */
  readonly expiresAt: number;
  readonly ttl: number;
  /** Uses left; 0 is without limit. */
  readonly numUses: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly cidrs: readonly string[];
  readonly tokenBoundCidrs: readonly string[];
  readonly updatedAt: number;
}

const codec = jsonCodec<SecretId>(true);

const directory = (role: AppRole): string => `secret-id/${role.name}/`;

/** The accessor, in the shape of a UUID, which clients expect: 122 bits of a keyed hash of mount, role and id. */
export function secretIdAccessor(key: KeyedHash, mountId: string, role: AppRole, secretId: string): string {
  const hash = key.text(`secret-id\0${mountId}\0${role.uid}\0${secretId}`, 'hex');
  return [
    hash.slice(0, 8),
    hash.slice(8, 12),
    hash.slice(12, 16),
    hash.slice(16, 20),
    hash.slice(20, 32),
  ].join('-');
}

export function findSecretId(call: Call, role: AppRole, secretId: string): SecretId | undefined {
  if (secretId.length === 0 || secretId.length > 4096) return undefined;
  return findByAccessor(call, role, secretIdAccessor(call.core.tokenKey, call.mount.id, role, secretId));
}

/** One that is still valid: what has expired is not found. */
export function findByAccessor(call: Call, role: AppRole, accessor: string): SecretId | undefined {
  if (!/^[0-9a-f-]{36}$/.test(accessor)) return undefined;
  const found = call.store.read(directory(role) + accessor, codec);
  return found !== undefined && (found.expiresAt === 0 || found.expiresAt > call.now) ? found : undefined;
}

export function putSecretId(store: Records, role: AppRole, secretId: SecretId): void {
  store.write(directory(role) + secretId.accessor, codec, secretId);
}

export function removeSecretId(store: Records, role: AppRole, accessor: string): void {
  store.delete(directory(role) + accessor);
}

export function listSecretIds(call: Call, role: AppRole): readonly string[] {
  return call.store
    .list(directory(role))
    .filter((accessor) => findByAccessor(call, role, accessor) !== undefined);
}

export function removeAllSecretIds(store: Records, role: AppRole): void {
  for (const accessor of [...store.list(directory(role))]) removeSecretId(store, role, accessor);
}

/** Removes those whose time is up; gives how many. */
export function removeExpired(call: Call, role: AppRole): number {
  const due = call.store
    .list(directory(role))
    .filter((accessor) => findByAccessor(call, role, accessor) === undefined);
  for (const accessor of [...due]) removeSecretId(call.store, role, accessor);
  return due.length;
}

/** Counts one use; the last one removes it. */
export function spendSecretId(store: Records, role: AppRole, secretId: SecretId, now: number): void {
  if (secretId.numUses === 0) return;
  if (secretId.numUses === 1) removeSecretId(store, role, secretId.accessor);
  else putSecretId(store, role, { ...secretId, numUses: secretId.numUses - 1, updatedAt: now });
}

export function isBoundElsewhere(call: Call, role: AppRole, secretId: SecretId | undefined): boolean {
  const { remoteAddress } = call.request;
  const outside = (cidrs: readonly string[]): boolean =>
    cidrs.length > 0 && !cidrsContain(cidrs, remoteAddress);
  return outside(role.secretIdBoundCidrs) || outside(secretId?.cidrs ?? []);
}

export function describeSecretId(secretId: SecretId): JsonObject {
  const time = (milliseconds: number): string =>
    milliseconds === 0 ? '0001-01-01T00:00:00Z' : new Date(milliseconds).toISOString();
  return {
    cidr_list: secretId.cidrs,
    creation_time: time(secretId.createdAt),
    expiration_time: time(secretId.expiresAt),
    last_updated_time: time(secretId.updatedAt),
    metadata: secretId.metadata,
    secret_id_accessor: secretId.accessor,
    secret_id_num_uses: secretId.numUses,
    secret_id_ttl: secretId.ttl,
    token_bound_cidrs: secretId.tokenBoundCidrs,
  };
}
