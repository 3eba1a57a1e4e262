import type { Call, Handler, PathSpec, Reply } from '../../backend.ts';
import { checkCidrs } from '../../credentials/cidr.ts';
import { badRequest, nothingHere } from '../../errors.ts';
import { createFields } from '../../fields.ts';
import { readTokenSettings } from '../token-fields.ts';
import {
  type AppRole,
  describeRole,
  findRole,
  putRole,
  removeRole,
  requireRole,
  roleDirectory,
  roleName,
} from './role.ts';
import { removeAllSecretIds } from './secret-id.ts';

export function writeRole(call: Call): Reply {
  const name = roleName(call);
  const before = findRole(call.store, name);
  const { fields } = call;
  put(call, before, {
    name,
    uid: before?.uid ?? call.core.uuid(),
    roleId: fields.text('role_id') || before?.roleId || call.core.uuid(),
    bindSecretId: fields.boolean('bind_secret_id', before?.bindSecretId ?? true),
    localSecretIds: fields.boolean('local_secret_ids', before?.localSecretIds ?? false),
    secretIdBoundCidrs:
      fields.findList('secret_id_bound_cidrs') ??
      fields.findList('bound_cidr_list') ??
      before?.secretIdBoundCidrs ??
      [],
    secretIdTtl: fields.seconds('secret_id_ttl', before?.secretIdTtl ?? 0),
    secretIdNumUses: fields.integer('secret_id_num_uses', before?.secretIdNumUses ?? 0),
    token: readTokenSettings(call, before?.token),
  });
  return {};
}

function put(call: Call, before: AppRole | undefined, role: AppRole): void {
  checkCidrs(role.secretIdBoundCidrs, 'secret_id_bound_cidrs');
  if (role.secretIdNumUses < 0) throw badRequest('secret_id_num_uses cannot be negative');
  if (!role.bindSecretId && role.secretIdBoundCidrs.length === 0 && role.token.boundCidrs.length === 0)
    throw badRequest('at least one constraint should be enabled on the role');
  putRole(call.store, role, before);
}

export function hasRole(call: Call): boolean {
  return findRole(call.store, call.params['role'] ?? '') !== undefined;
}

export function readRole(call: Call): Reply {
  const role = findRole(call.store, roleName(call));
  if (role === undefined) throw nothingHere();
  return { data: describeRole(role) };
}

export function deleteRole(call: Call): Reply {
  const role = findRole(call.store, roleName(call));
  if (role === undefined) return {};
  removeAllSecretIds(call.store, role);
  removeRole(call.store, role);
  return {};
}

export function listRoles(call: Call): Reply {
  const keys = call.store.list(roleDirectory);
  if (keys.length === 0) throw nothingHere();
  return { data: { keys } };
}

export function readRoleId(call: Call): Reply {
  const role = findRole(call.store, roleName(call));
  if (role === undefined) throw nothingHere();
  return { data: { role_id: role.roleId } };
}

export function writeRoleId(call: Call): Reply {
  const role = requireRole(call);
  put(call, role, { ...role, roleId: call.fields.required('role_id') });
  return {};
}

/** Single settings of a role, each at a path of its own: path, the fields it shows, and the value it goes back to. */
const settings: ReadonlyArray<readonly [path: string, names: readonly string[], absent: unknown]> = [
  ['policies', ['token_policies'], []],
  ['bind-secret-id', ['bind_secret_id'], true],
  ['secret-id-num-uses', ['secret_id_num_uses'], 0],
  ['secret-id-ttl', ['secret_id_ttl'], 0],
  ['secret-id-bound-cidrs', ['secret_id_bound_cidrs'], []],
  ['token-ttl', ['token_ttl'], 0],
  ['token-max-ttl', ['token_max_ttl'], 0],
  ['token-num-uses', ['token_num_uses'], 0],
  ['token-bound-cidrs', ['token_bound_cidrs'], []],
  ['token-period', ['token_period'], 0],
  ['period', ['token_period'], 0],
  ['local-secret-ids', ['local_secret_ids'], false],
];

export const settingPaths: readonly PathSpec[] = settings.map(([path, names, absent]) => ({
  pattern: `role/:role/${path}`,
  synopsis: `The setting ${names.join(', ')} of a role.`,
  on: {
    read: (call) => {
      const described = describeRole(requireRole(call));
      return { data: Object.fromEntries(names.map((name) => [name, described[name]])) };
    },
    update: (call) => {
      requireRole(call);
      return writeRole(call);
    },
    delete: resetting(names, absent),
  },
}));

function resetting(names: readonly string[], absent: unknown): Handler {
  return (call) => {
    requireRole(call);
    return writeRole({
      ...call,
      fields: createFields(Object.fromEntries(names.map((name) => [name, absent]))),
    });
  };
}
