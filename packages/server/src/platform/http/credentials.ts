import { Fault } from '@sallyport/formats';

// RFC 6750 section 2.1 b64token; longer than any token or JWT of ours is refused unread.
const bearer = /^Bearer +([A-Za-z0-9._~+/=-]{1,8192})$/i;
const basic = /^Basic +([A-Za-z0-9+/]{1,12000}={0,2})$/i;

/**
 * The token of a request, or undefined when it brings none. A header that is there but cannot be read is refused and
 * never taken for no header: the caller meant to be somebody.
 */
export function tokenOf(authorization: string | undefined, accepts: 'bearer' | 'basic'): string | undefined {
  if (authorization === undefined) return undefined;
  const token = bearer.exec(authorization)?.[1];
  if (token !== undefined) return token;
  const pair = accepts === 'basic' ? basic.exec(authorization)?.[1] : undefined;
  if (pair !== undefined) {
    // RFC 7617 section 2: the user name has no colon; OCI clients put the token in the password.
    const text = Buffer.from(pair, 'base64').toString('utf8');
    const at = text.indexOf(':');
    if (at >= 0 && text.length > at + 1) return text.slice(at + 1);
  }
  throw new Fault(
    'unauthenticated',
    'http.credentials',
    `expected authorization ${accepts === 'basic' ? 'Bearer or Basic' : 'Bearer'}`,
    {
      hint: "send the token as 'authorization: Bearer <token>'",
    },
  );
}

const credentialHeaders = new Set(['authorization', 'proxy-authorization', 'cookie', 'x-vault-token']);

/** Headers for handlers: one text each, and none that carries a credential. */
export function plainHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Readonly<Record<string, string | undefined>> {
  const plain: Record<string, string | undefined> = Object.create(null);
  for (const [name, value] of Object.entries(headers)) {
    if (credentialHeaders.has(name)) continue;
    plain[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return plain;
}
