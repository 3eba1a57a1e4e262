import type { Call, Reply } from '../../backend.ts';
import { checkCidrs } from '../../credentials/cidr.ts';
import { badRequest, nothingHere } from '../../errors.ts';
import { type AppRole, findRole, requireRole, roleDirectory } from './role.ts';
import {
  describeSecretId,
  findByAccessor,
  findSecretId,
  listSecretIds,
  putSecretId,
  removeExpired,
  removeSecretId,
  type SecretId,
  secretIdAccessor,
} from './secret-id.ts';

export function makeSecretId(call: Call): Reply {
  return make(call, call.core.uuid());
}

export function makeCustomSecretId(call: Call): Reply {
  return make(call, call.fields.required('secret_id'));
}

function make(call: Call, secretId: string): Reply {
  const role = requireRole(call);
  const { fields } = call;
  if (!role.bindSecretId) throw badRequest('bind_secret_id is not set on the role');
  const accessor = secretIdAccessor(call.core.tokenKey, call.mount.id, role, secretId);
  if (findByAccessor(call, role, accessor) !== undefined) throw badRequest('SecretID is already registered');
  const ttl = fields.findSeconds('ttl') ?? role.secretIdTtl;
  const numUses = fields.findInteger('num_uses') ?? role.secretIdNumUses;
  if (numUses < 0) throw badRequest('num_uses cannot be negative');
  if (role.secretIdNumUses !== 0 && (numUses === 0 || numUses > role.secretIdNumUses))
    throw badRequest("num_uses cannot be higher than the role's secret_id_num_uses");
  if (role.secretIdTtl !== 0 && (ttl === 0 || ttl > role.secretIdTtl))
    throw badRequest("ttl cannot be longer than the role's secret_id_ttl");
  const made: SecretId = {
    accessor,
    createdAt: call.now,
    updatedAt: call.now,
    expiresAt: ttl === 0 ? 0 : call.now + ttl * 1000,
    ttl,
    numUses,
    metadata: metadataOf(call),
    cidrs: fields.list('cidr_list'),
    tokenBoundCidrs: fields.list('token_bound_cidrs'),
  };
  checkCidrs(made.cidrs, 'cidr_list');
  checkCidrs(made.tokenBoundCidrs, 'token_bound_cidrs');
  putSecretId(call.store, role, made);
  return {
    data: {
      secret_id: secretId,
      secret_id_accessor: accessor,
      secret_id_num_uses: numUses,
      secret_id_ttl: ttl,
    },
  };
}

/** Clients send the metadata as JSON text. */
function metadataOf(call: Call): Readonly<Record<string, string>> {
  const value = call.fields.find('metadata');
  if (typeof value !== 'string' || !value.trim().startsWith('{')) return call.fields.map('metadata');
  try {
    const parsed: unknown = JSON.parse(value);
    const entries = Object.entries(parsed as object);
    if (entries.every((entry): entry is [string, string] => typeof entry[1] === 'string'))
      return Object.fromEntries(entries);
  } catch {
    // Told below, without the value.
  }
  throw badRequest('expected metadata as a JSON object of texts');
}

export function listAccessors(call: Call): Reply {
  const keys = listSecretIds(call, requireRole(call));
  if (keys.length === 0) throw nothingHere();
  return { data: { keys } };
}

export function lookupSecretId(call: Call): Reply {
  const role = requireRole(call);
  const found = findSecretId(call, role, call.fields.required('secret_id'));
  return found === undefined ? {} : { data: describeSecretId(found) };
}

export function destroySecretId(call: Call): Reply {
  const role = requireRole(call);
  const found = findSecretId(call, role, call.fields.required('secret_id'));
  if (found !== undefined) removeSecretId(call.store, role, found.accessor);
  return {};
}

export function lookupAccessor(call: Call): Reply {
  return { data: describeSecretId(byAccessor(call, requireRole(call))) };
}

export function destroyAccessor(call: Call): Reply {
  const role = requireRole(call);
  removeSecretId(call.store, role, byAccessor(call, role).accessor);
  return {};
}

function byAccessor(call: Call, role: AppRole): SecretId {
  const found = findByAccessor(
    call,
    role,
    call.params['accessor'] ?? call.fields.required('secret_id_accessor'),
  );
  if (found === undefined) throw nothingHere();
  return found;
}

/** Expired secret ids are refused without it; this only takes them out of the database. */
export function tidySecretIds(call: Call): Reply {
  for (const name of call.store.list(roleDirectory)) {
    const role = findRole(call.store, name);
    if (role !== undefined) removeExpired(call, role);
  }
  return { warnings: ['Tidy operation successfully started.'] };
}
