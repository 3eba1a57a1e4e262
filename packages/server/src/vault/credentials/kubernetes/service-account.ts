import type { Claims } from '../jwt/token.ts';
import { refusedLogin } from '../login.ts';

/** A service account as a token or the API server names it. */
export interface ServiceAccount {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Of tokens kept in a secret, the form before bound tokens; else empty. */
  readonly secretName: string;
}

/** RFC 1123, which Kubernetes asks of namespaces (labels) and service accounts (subdomains). */
const namePattern = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;
const uidPattern = /^[A-Za-z0-9][-A-Za-z0-9._]{0,127}$/;
const legacy = 'kubernetes.io/serviceaccount/';

/**
 * Reads the service account out of the claims of its token: bound tokens have them below "kubernetes.io", older ones
 * side by side. `sub` must say the same, so that no claim can name an account that the issuer did not mean.
 * Throws `Fault('invalid')`.
 */
export function readServiceAccount(claims: Claims): ServiceAccount {
  const bound = objectOf(claims, 'kubernetes.io');
  const account = bound === undefined ? undefined : objectOf(bound, 'serviceaccount');
  const found: ServiceAccount =
    bound === undefined
      ? {
          namespace: textOf(claims, `${legacy}namespace`),
          name: textOf(claims, `${legacy}service-account.name`),
          uid: textOf(claims, `${legacy}service-account.uid`),
          secretName: textOf(claims, `${legacy}secret.name`),
        }
      : {
          namespace: textOf(bound, 'namespace'),
          name: textOf(account ?? {}, 'name'),
          uid: textOf(account ?? {}, 'uid'),
          secretName: '',
        };
  return checkServiceAccount(found, textOf(claims, 'sub'));
}

/** Refuses unless every part is one that Kubernetes gives, and the user name is the one made of them. */
export function checkServiceAccount(account: ServiceAccount, userName: string): ServiceAccount {
  const { namespace, name, uid } = account;
  if (!namePattern.test(namespace) || !namePattern.test(name) || !uidPattern.test(uid))
    throw refusedLogin('kubernetes', 'expected the token of a service account with namespace, name and uid');
  if (userName !== `system:serviceaccount:${namespace}:${name}`)
    throw refusedLogin('kubernetes', 'expected the subject of the token to be its service account');
  return account;
}

function objectOf(claims: Claims, name: string): Claims | undefined {
  const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
  // An object that is no array; read by own properties only.
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Claims) : undefined;
}

function textOf(claims: Claims, name: string): string {
  const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
  return typeof value === 'string' ? value : '';
}
