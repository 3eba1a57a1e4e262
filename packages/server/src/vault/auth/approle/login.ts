import type { Call, Reply } from '../../backend.ts';
import { badRequest } from '../../errors.ts';
import { findRoleById } from './role.ts';
import { findSecretId, isBoundElsewhere, type SecretId, spendSecretId } from './secret-id.ts';

/** One text for every reason: whoever guesses learns nothing about which half was wrong. */
const refused = () => badRequest('invalid role or secret ID');

export function login(call: Call): Reply {
  const { fields, store, mount } = call;
  const roleId = fields.text('role_id').trim();
  if (roleId === '') throw badRequest('missing role_id');
  const role = findRoleById(store, roleId);
  if (role === undefined) throw refused();
  let secretId: SecretId | undefined;
  if (role.bindSecretId) {
    const presented = fields.text('secret_id').trim();
    if (presented === '') throw badRequest('missing secret_id');
    secretId = findSecretId(call, role, presented);
    if (secretId === undefined) throw refused();
  }
  if (isBoundElsewhere(call, role, secretId)) throw refused();
  if (secretId !== undefined) spendSecretId(store, role, secretId, call.now);
  const { policies, ...limits } = role.token;
  return {
    login: {
      displayName: mount.path.slice('auth/'.length, -1),
      policies,
      metadata: { role_name: role.name, ...secretId?.metadata },
      alias: { name: role.roleId, metadata: { role_name: role.name } },
      limits:
        secretId === undefined || secretId.tokenBoundCidrs.length === 0
          ? limits
          : { ...limits, boundCidrs: secretId.tokenBoundCidrs },
      role: role.name,
    },
  };
}
