import { type Call, type Handler, prepared } from '../../backend.ts';
import type { JwtConfig } from '../../credentials/jwt/config.ts';
import { decideJwtLogin } from '../../credentials/jwt/decide.ts';
import type { KeySets } from '../../credentials/jwt/key-sets.ts';
import { type JwtRole, parseJwtRole } from '../../credentials/jwt/role.ts';
import { type VerifiedJwt, verifyJwt } from '../../credentials/jwt/verify.ts';
import { badRequest } from '../../errors.ts';
import type { Gate } from '../method/gate.ts';
import { newLogin } from '../method/new-login.ts';
import { createRoles, type ParseRole, type RoleRecord } from '../method/roles.ts';
import { requireConfig } from './config.ts';
import { roleSettings } from './settings.ts';

export const roles = createRoles<JwtRole>({ directory: 'role/', settings: roleSettings });

export const parseRole: ParseRole<JwtRole> = (name, fields, token) =>
  parseJwtRole(name, fields, token.boundCidrs.length > 0);

/** The role that a request names, or else the mount. */
export function requireRole(
  call: Call,
  config: JwtConfig,
  name = call.fields.text('role') || config.defaultRole,
): { readonly role: JwtRole; readonly record: RoleRecord } {
  if (name === '') throw badRequest('missing role');
  const record = roles.find(call.store, name);
  if (record === undefined) throw badRequest(`role ${JSON.stringify(name.slice(0, 128))} could not be found`);
  return { record, role: roles.parsed(name, record, parseRole) };
}

/** The signature is verified before the turn; what it opens is decided in it. */
export function login(keySets: KeySets, gate: Gate): Handler {
  return prepared<VerifiedJwt>({
    async prepare(call) {
      const config = requireConfig(call.store);
      requireRole(call, config);
      const text = call.fields.text('jwt');
      if (text === '') throw badRequest('missing token');
      return await gate(() => verifyJwt(keySets, config, text));
    },
    decide(call, verified) {
      const config = requireConfig(call.store);
      const { role, record } = requireRole(call, config);
      const found = decideJwtLogin(config, role, verified, new Date(call.now));
      return { login: newLogin(call, found, record.token, role.name) };
    },
  });
}
