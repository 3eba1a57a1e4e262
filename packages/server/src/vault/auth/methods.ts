import type { Random } from '#platform';
import type { Backend } from '../backend.ts';
import { type BoundedFetch, boundedFetch } from '../credentials/fetch/bounded-fetch.ts';
import { createKeySets } from '../credentials/jwt/key-sets.ts';
import { createPasswords, type PasswordCost } from '../credentials/passwords.ts';
import { createCertBackend } from './cert/backend.ts';
import { createJwtBackend } from './jwt/backend.ts';
import { createKubernetesBackend } from './kubernetes/backend.ts';
import { createGate } from './method/gate.ts';
import { createUserpassBackend } from './userpass/backend.ts';

/** Each waits for somebody else's server, up to five seconds. */
const reviewsAtOnce = 64;
const signaturesAtOnce = 256;
/** Signatures of certificates are verified on the thread of all requests. */
const certificatesAtOnce = 16;

export interface MethodDeps {
  readonly random: Random;
  /** The default asks real servers. */
  readonly fetch?: BoundedFetch;
  /** Of new passwords. */
  readonly passwordCost?: PasswordCost;
  /** Milliseconds since an arbitrary start; never the wall clock. */
  readonly monotonicMs?: () => number;
}

/** The login methods that check credentials of others. One of each serves all its mounts. */
export function createMethods(deps: MethodDeps): readonly Backend[] {
  const { random, fetch = boundedFetch, passwordCost, monotonicMs = () => performance.now() } = deps;
  const keySets = createKeySets({ fetch, monotonicMs });
  const tokens = { fetch, keySets, random, gate: createGate(signaturesAtOnce) };
  const passwords = createPasswords({
    randomBytes: (sizeBytes) => random.bytes(sizeBytes),
    ...(passwordCost === undefined ? {} : { cost: passwordCost }),
  });
  return [
    createJwtBackend('jwt', tokens),
    createJwtBackend('oidc', tokens),
    createKubernetesBackend({ fetch, gate: createGate(reviewsAtOnce) }),
    createUserpassBackend(passwords),
    createCertBackend(createGate(certificatesAtOnce)),
  ];
}
