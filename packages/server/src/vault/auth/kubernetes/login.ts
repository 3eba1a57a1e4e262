import { type Call, type Handler, prepared } from '../../backend.ts';
import type { BoundedFetch } from '../../credentials/fetch/bounded-fetch.ts';
import {
  decideKubernetesLogin,
  type ReviewedLogin,
  reviewKubernetesLogin,
} from '../../credentials/kubernetes/login.ts';
import { type KubernetesRole, parseKubernetesRole } from '../../credentials/kubernetes/role.ts';
import { badRequest } from '../../errors.ts';
import type { Gate } from '../method/gate.ts';
import { newLogin } from '../method/new-login.ts';
import { createRoles } from '../method/roles.ts';
import { requireConfig, requireReviewConfig } from './config.ts';
import { roleSettings } from './settings.ts';

export const roles = createRoles<KubernetesRole>({ directory: 'role/', settings: roleSettings });

/** The API server is asked before the turn; what its answer opens is decided in it. */
export function login(fetch: BoundedFetch, gate: Gate): Handler {
  return prepared<ReviewedLogin>({
    async prepare(call) {
      const { role } = requireRole(call);
      const text = call.fields.text('jwt');
      if (text === '') throw badRequest('missing jwt');
      const config = requireReviewConfig(call.store);
      try {
        return await gate(() => reviewKubernetesLogin(fetch, config, role, text));
      } finally {
        config.reviewer?.wipe();
      }
    },
    decide(call, reviewed) {
      const { role, record } = requireRole(call);
      const config = requireConfig(call.store);
      const found = decideKubernetesLogin(config, role, reviewed, new Date(call.now));
      return { login: newLogin(call, found, record.token, role.name) };
    },
  });
}

function requireRole(call: Call) {
  const name = call.fields.text('role');
  if (name === '') throw badRequest('missing role');
  const record = roles.find(call.store, name);
  if (record === undefined) throw badRequest(`invalid role name ${JSON.stringify(name.slice(0, 128))}`);
  return { record, role: roles.parsed(name, record, parseKubernetesRole) };
}
