import type { Call, Records } from '../../backend.ts';
import { badRequest } from '../../errors.ts';
import type { JsonObject } from '../../fields.ts';
import { jsonCodec } from '../../records.ts';
import { describeTokenSettings, type TokenSettings } from '../token-fields.ts';

/** A program that signs in with two halves: a role id, which is no secret, and a secret id. */
export interface AppRole {
  readonly name: string;
  /** Which role this is, also under another role id; never that of a role that was deleted. */
  readonly uid: string;
  readonly roleId: string;
  readonly bindSecretId: boolean;
  readonly localSecretIds: boolean;
  readonly secretIdBoundCidrs: readonly string[];
  /** Seconds; 0 is without end. */
  readonly secretIdTtl: number;
  /** 0 is without limit. */
  readonly secretIdNumUses: number;
  readonly token: TokenSettings;
}

const codec = jsonCodec<AppRole>(true);
const nameCodec = jsonCodec<string>(true);

/**
 * `role/<name>`, and `role-id/<role id>` that leads to it. Names keep no case, as in Vault: two roles that differ only
 * in it would be one to whoever reads a policy.
 */
export const roleDirectory = 'role/';

export function findRole(store: Records, name: string): AppRole | undefined {
  return store.read(roleDirectory + name.toLowerCase(), codec);
}

export function findRoleById(store: Records, roleId: string): AppRole | undefined {
  if (!isRoleId(roleId)) return undefined;
  const name = store.read(roleIdPath(roleId), nameCodec);
  return name === undefined ? undefined : findRole(store, name);
}

export function putRole(store: Records, role: AppRole, before: AppRole | undefined): void {
  if (before?.roleId !== role.roleId) {
    if (!isRoleId(role.roleId))
      throw badRequest('expected a role_id of 1 to 128 visible characters without "/"');
    if (store.has(roleIdPath(role.roleId))) throw badRequest('role_id already in use');
    if (before !== undefined) store.delete(roleIdPath(before.roleId));
    store.write(roleIdPath(role.roleId), nameCodec, role.name);
  }
  store.write(roleDirectory + role.name, codec, role);
}

export function removeRole(store: Records, role: AppRole): void {
  store.delete(roleIdPath(role.roleId));
  store.delete(roleDirectory + role.name);
}

export function requireRole(call: Call): AppRole {
  const name = roleName(call);
  const role = findRole(call.store, name);
  if (role === undefined) throw badRequest(`role ${JSON.stringify(name)} does not exist`);
  return role;
}

export function roleName(call: Call): string {
  const name = call.params['role'] ?? '';
  if (!/^[\w.-]{1,128}$/.test(name))
    throw badRequest('expected a role name of letters, digits, ".", "_" and "-"');
  return name.toLowerCase();
}

export function describeRole(role: AppRole): JsonObject {
  return {
    bind_secret_id: role.bindSecretId,
    local_secret_ids: role.localSecretIds,
    secret_id_bound_cidrs: role.secretIdBoundCidrs.length === 0 ? null : role.secretIdBoundCidrs,
    secret_id_num_uses: role.secretIdNumUses,
    secret_id_ttl: role.secretIdTtl,
    ...describeTokenSettings(role.token),
  };
}

const roleIdPath = (roleId: string): string => `role-id/${roleId}`;

function isRoleId(text: string): boolean {
  return /^[!-.0-~]{1,128}$/.test(text);
}
