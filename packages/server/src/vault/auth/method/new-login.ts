import type { Call } from '../../backend.ts';
import { cidrsContain } from '../../credentials/cidr.ts';
import type { Login } from '../../credentials/login.ts';
import { permissionDenied } from '../../errors.ts';
import type { NewLogin } from '../../tokens/login.ts';
import type { TokenSettings } from '../token-fields.ts';

/**
 * The token of a login that a method found right, as the role says. Throws `Fault('denied')` where the role binds its
 * tokens to addresses and the request comes from elsewhere.
 */
export function newLogin(call: Call, login: Login, token: TokenSettings, role: string): NewLogin {
  const { policies, ...limits } = token;
  if (limits.boundCidrs.length > 0 && !cidrsContain(limits.boundCidrs, call.request.remoteAddress))
    throw permissionDenied();
  const source = call.mount.path.slice('auth/'.length, -1).replaceAll('/', '-');
  return {
    displayName: `${source}-${login.displayName}`,
    policies,
    metadata: login.metadata,
    alias: login.alias,
    // Also when there are none: what a method does not vouch for any more ends with the next login.
    groups: login.groups,
    limits,
    role,
  };
}
