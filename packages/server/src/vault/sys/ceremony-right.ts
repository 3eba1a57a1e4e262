import type { Call } from '../backend.ts';
import { permissionDenied } from '../errors.ts';

/**
 * Ceremonies of share holders need no token: they are for the day when nobody has one. Starting and bringing shares
 * harms nobody; ending the ceremony of others does, so whoever ends it names its nonce, which its members know, or
 * has a token that may. (Vault lets everybody end it, which is a way to keep an installation from ever rekeying.)
 */
export function requireRightToEnd(call: Call, nonce: string): void {
  const { caller, request, fields } = call;
  const named = fields.text('nonce') || request.query['nonce'];
  if (nonce === '' || named === nonce) return;
  const verdict = caller?.acl.check({ operation: 'delete', path: request.path, data: request.body });
  if (verdict?.allowed !== true)
    throw permissionDenied('name the nonce of the ceremony, or use a token that may end it');
}
