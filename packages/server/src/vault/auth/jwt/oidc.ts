import { Fault, isFault } from '@sallyport/formats';
import type { Random } from '#platform';
import { type Call, type Handler, prepared, type Reply } from '../../backend.ts';
import type { BoundedFetch } from '../../credentials/fetch/bounded-fetch.ts';
import type { JwtConfig } from '../../credentials/jwt/config.ts';
import type { IssuerDocument } from '../../credentials/jwt/discovery.ts';
import type { KeySets } from '../../credentials/jwt/key-sets.ts';
import type { VerifiedJwt } from '../../credentials/jwt/verify.ts';
import { refusedLogin } from '../../credentials/login.ts';
import {
  beginAuthorization,
  clientOf,
  type PendingAuthorization,
} from '../../credentials/oidc/authorization.ts';
import { decideOidcLogin, exchangeCode } from '../../credentials/oidc/exchange.ts';
import { createExpiring } from '../method/expiring.ts';
import type { Gate } from '../method/gate.ts';
import { newLogin } from '../method/new-login.ts';
import { requireClientConfig } from './config.ts';
import { requireRole } from './login.ts';

export interface OidcDeps {
  readonly fetch: BoundedFetch;
  readonly keySets: KeySets;
  readonly random: Random;
  readonly gate: Gate;
}

/** Whoever asks for an address makes a record; more in one minute and mount are refused, so that they cannot fill the database. */
const maxBegunPerMinute = 2000;

const pendings = createExpiring<PendingAuthorization>({
  directory: 'oidc-state/',
  kept: false,
  lifeMs: 600_000,
});

interface Issuer {
  readonly document: IssuerDocument;
  readonly fingerprint: string;
}

/** `oidc/auth_url`: where a person is sent to log in. */
export function beginLogin({ keySets, random, gate }: OidcDeps): Handler {
  return prepared<Issuer>({
    prepare: (call) =>
      withClient(call, async (config) => {
        requireRole(call, config);
        clientOf(config);
        if (config.source.kind !== 'discovery') throw noOidc();
        const { source, fingerprint } = config;
        const { document } = await gate(() => keySets.issuer(source));
        return { document, fingerprint };
      }),
    decide: (call, issuer) =>
      withClient(call, (config) => {
        const { fields, store, now } = call;
        const { role } = requireRole(call, config);
        if (issuer.fingerprint !== config.fingerprint) throw changed();
        if (pendings.besides(store, now) >= maxBegunPerMinute)
          throw new Fault('exhausted', 'vault.logins', 'too many logins at once, try again later');
        const { url, pending } = beginAuthorization(
          { randomBytes: (sizeBytes) => random.bytes(sizeBytes), now: new Date(now) },
          config,
          issuer.document,
          role,
          { redirectUri: fields.required('redirect_uri'), clientNonce: fields.text('client_nonce') },
        );
        pendings.put(store, pending.state, pending, now);
        return { data: { auth_url: url } };
      }),
  });
}

type Exchanged = { readonly verified: VerifiedJwt } | { readonly failure: Fault };

/**
 * `oidc/callback`: the person is back with a code. Whatever comes of it, the state with which she left is used up: also
 * by a refusal, which is why refusals are returned here and not thrown.
 */
export function finishLogin({ fetch, keySets, gate }: OidcDeps): Handler {
  return prepared<Exchanged>({
    prepare: (call) =>
      withClient(call, async (config) => {
        const pending = requirePending(call);
        try {
          checkAnswer(call);
          const code = call.fields.text('code');
          return { verified: await gate(() => exchangeCode({ fetch, keySets }, config, pending, code)) };
        } catch (failure) {
          if (isFault(failure)) return { failure };
          throw failure;
        }
      }),
    decide: (call, exchanged) =>
      withClient(call, (config): Reply => {
        const pending = requirePending(call);
        pendings.remove(call.store, pending.state, call.now);
        try {
          if ('failure' in exchanged) throw exchanged.failure;
          const { role, record } = requireRole(call, config, pending.role);
          const nonce = call.fields.text('client_nonce');
          const found = decideOidcLogin(config, role, pending, exchanged.verified, nonce, new Date(call.now));
          return { login: newLogin(call, found, record.token, role.name) };
        } catch (refusal) {
          if (isFault(refusal)) return { refusal };
          throw refusal;
        }
      }),
  });
}

function requirePending({ store, fields, now }: Call): PendingAuthorization {
  const state = fields.text('state');
  const pending = state === '' ? undefined : pendings.find(store, state, now);
  if (pending === undefined) throw refusedLogin('oidc_state', 'expired or missing OAuth state');
  return pending;
}

/** RFC 6749 section 4.1.2.1: the issuer says no in a word of its own. */
function checkAnswer({ fields }: Call): void {
  const error = fields.text('error');
  if (error === '') return;
  const known = /^[\w.-]{1,64}$/.test(error) ? error : 'an error';
  throw refusedLogin('oidc_issuer', `the issuer refused the login: ${known}`);
}

/** Works with the configuration and its client's secret, which is wiped afterwards. */
function withClient<T>({ store }: Call, work: (config: JwtConfig) => T): T {
  const config = requireClientConfig(store);
  const wipe = (): void => config.client?.secret.wipe();
  let result: T;
  try {
    result = work(config);
  } catch (error) {
    wipe();
    throw error;
  }
  if (result instanceof Promise) return result.finally(wipe) as T;
  wipe();
  return result;
}

function noOidc(): Fault {
  return refusedLogin('oidc_config', 'OIDC login is not configured for this mount');
}

function changed(): Fault {
  return new Fault(
    'unavailable',
    'vault.config_changed',
    'the configuration of the mount changed, try again',
  );
}
