import { Fault } from '@sallyport/formats';
import { permissionDenied } from '../../errors.ts';
import type { BoundedFetch } from '../fetch/bounded-fetch.ts';
import { matchesAnyGlob } from '../glob.ts';
import { readAudiences } from '../jwt/decide.ts';
import { checkTimes, defaultLeeway } from '../jwt/times.ts';
import { type Claims, parseJwt } from '../jwt/token.ts';
import { verifiedByAny } from '../jwt/verify.ts';
import type { Login } from '../login.ts';
import type { KubernetesConfig } from './config.ts';
import { reviewToken } from './review.ts';
import type { KubernetesRole } from './role.ts';
import { checkServiceAccount, readServiceAccount, type ServiceAccount } from './service-account.ts';

/** A token that the cluster, its keys, or both said is good. */
export interface ReviewedLogin {
  readonly account: ServiceAccount;
  readonly claims: Claims;
  readonly audience: string;
  /** Nobody but us looked at the times of the token. */
  readonly checkTimesHere: boolean;
  readonly fingerprint: string;
}

/**
 * Does all of a login that takes time: verifies the signature where keys are configured, and asks the API server where
 * it is. The role decides only for which audience; the rest of it is asked in `decideKubernetesLogin`.
 * Throws `Fault('invalid')` for what is no token of a service account, `Fault('denied')`, `Fault('unavailable')`.
 */
export async function reviewKubernetesLogin(
  fetch: BoundedFetch,
  config: KubernetesConfig,
  { audience }: Pick<KubernetesRole, 'audience'>,
  text: unknown,
): Promise<ReviewedLogin> {
  const token = parseJwt(text);
  const { claims } = token;
  const account = readServiceAccount(claims);
  const audiences = readAudiences(claims);
  // Before anybody is asked: a token for another service must not be shown around.
  if (audience !== '' && !audiences.includes(audience)) throw permissionDenied();
  if (config.keys.length > 0 && !(await verifiedByAny(token, config.keys))) throw permissionDenied();
  const { reviewUrl } = config;
  if (reviewUrl !== undefined) {
    const asked = audience === '' ? audiences : [audience];
    const reviewed = await reviewToken(fetch, { ...config, reviewUrl }, token.text, asked);
    // What was verified is the token as the API server reads it; what we read in it must be the same account.
    checkServiceAccount({ ...account, uid: reviewed.uid }, reviewed.userName);
    if (reviewed.uid !== account.uid) throw permissionDenied();
  }
  const { fingerprint } = config;
  return { account, claims, audience, checkTimesHere: reviewUrl === undefined, fingerprint };
}

/** Decides whether the reviewed token opens the role now. Synchronous and pure. */
export function decideKubernetesLogin(
  config: KubernetesConfig,
  role: KubernetesRole,
  reviewed: ReviewedLogin,
  now: Date,
): Login {
  const { account, claims, fingerprint } = reviewed;
  if (config.fingerprint !== fingerprint || role.audience !== reviewed.audience)
    throw new Fault(
      'unavailable',
      'vault.config_changed',
      'the configuration of the mount or the role changed during the login, try again',
    );
  if (config.issuer !== '' && claims['iss'] !== config.issuer) throw permissionDenied();
  if (reviewed.checkTimesHere) {
    // A token that never ends would outlive its account, with nobody to ask.
    if (!Object.hasOwn(claims, 'exp')) throw permissionDenied();
    checkTimes(claims, { leeway: defaultLeeway, maxAgeSeconds: 0 }, now.getTime() / 1000);
  }
  if (!matchesAnyGlob(role.serviceAccountNames, account.name))
    throw new Fault('denied', 'vault.kubernetes', 'service account name not authorized');
  if (!matchesAnyGlob(role.serviceAccountNamespaces, account.namespace))
    throw new Fault('denied', 'vault.kubernetes', 'namespace not authorized');
  return loginOf(role, account);
}

function loginOf(role: KubernetesRole, { namespace, name, uid, secretName }: ServiceAccount): Login {
  const metadata = {
    service_account_uid: uid,
    service_account_name: name,
    service_account_namespace: namespace,
    service_account_secret_name: secretName,
  };
  const alias = role.aliasNameSource === 'serviceaccount_uid' ? uid : `${namespace}/${name}`;
  return {
    alias: { name: alias, metadata },
    metadata: { ...metadata, role: role.name },
    groups: [],
    displayName: `${namespace}-${name}`,
  };
}
