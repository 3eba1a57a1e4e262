import { Fault, isFault, SecretBytes } from '@sallyport/formats';
import { readAnswer, unexpected } from '../answer.ts';
import { jsonOf } from '../json-write.ts';
import { createWire } from '../wire.ts';
import { issuedBy, type LoginSource, type LoginTools, trimmed } from './source.ts';

/** Gives a JWT for one login; a new one each time where that is possible. */
export type JwtSource = (tools: LoginTools) => Promise<SecretBytes>;

export interface JwtLogin {
  /** Where the method is mounted below `auth/`. Default `jwt`. */
  readonly mount?: string | undefined;
  readonly role: string;
  readonly token: JwtSource;
}

/** Signs in with a JWT of somebody the server trusts, such as a CI system. */
export function jwtLogin({ mount = 'jwt', role, token }: JwtLogin): LoginSource {
  return signIn('jwt', mount, role, token);
}

export interface KubernetesLogin {
  /** Default `kubernetes`. */
  readonly mount?: string | undefined;
  readonly role: string;
  /** Default the one that Kubernetes puts into every pod. */
  readonly tokenFile?: string | undefined;
}

const serviceAccountToken = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/** Signs in with the token of the pod's service account; Kubernetes replaces that file, so it is read each time. */
export function kubernetesLogin(options: KubernetesLogin): LoginSource {
  const { mount = 'kubernetes', role, tokenFile = serviceAccountToken } = options;
  return signIn('kubernetes', mount, role, jwtFile(tokenFile));
}

function signIn(name: string, mount: string, role: string, source: JwtSource): LoginSource {
  const path = `auth/${mount}/login`;
  return {
    name,
    repeatable: true,
    async login(tools) {
      const jwt = await source(tools);
      const body = jsonOf({ role: { text: SecretBytes.fromUtf8(role) }, jwt: { text: jwt } });
      try {
        return issuedBy(await tools.calls.send({ method: 'POST', path, body }), path);
      } finally {
        body.fill(0);
        jwt.wipe();
      }
    },
  };
}

/** A JWT in a file. */
export const jwtFile =
  (file: string): JwtSource =>
  async ({ readFile }) =>
    trimmed(await readFile(file));

/** A JWT that the caller has, such as the value of a variable of GitLab. */
export const givenJwt =
  (jwt: SecretBytes): JwtSource =>
  async () =>
    SecretBytes.from(jwt.expose());

export interface GithubActions {
  /** `ACTIONS_ID_TOKEN_REQUEST_URL` */
  readonly url: string;
  /** `ACTIONS_ID_TOKEN_REQUEST_TOKEN` */
  readonly requestToken: SecretBytes;
  /** What the role of the server expects as `aud`. Default GitHub's own, the URL of the owner. */
  readonly audience?: string | undefined;
}

/** Asks GitHub Actions for a JWT that says which workflow runs. The step needs `permissions: id-token: write`. */
export function githubJwt({ url, requestToken, audience }: GithubActions): JwtSource {
  return async () => {
    const asked = URL.canParse(url) ? new URL(url) : undefined;
    const loopback = asked !== undefined && /^(localhost|127\.[0-9.]+|\[::1\])$/.test(asked.hostname);
    if (asked === undefined || (asked.protocol !== 'https:' && !loopback)) {
      throw new Fault(
        'invalid',
        'vault.github',
        'expected ACTIONS_ID_TOKEN_REQUEST_URL to be an https address',
      );
    }
    if (audience !== undefined) asked.searchParams.set('audience', audience);
    const wire = createWire(asked.origin);
    try {
      const answered = await wire.send({
        method: 'GET',
        path: `${asked.pathname}${asked.search}`,
        headers: { authorization: `Bearer ${requestToken.exposeUtf8()}`, accept: 'application/json' },
        timeoutMs: 30_000,
        maxBytes: 64 * 1024,
      });
      if (answered.status !== 200) {
        throw new Fault(
          'denied',
          'vault.github',
          `expected a token from GitHub Actions, got ${answered.status}`,
          {
            hint: 'give the job `permissions: id-token: write`',
          },
        );
      }
      const answer = readAnswer(answered);
      const value = answer.find('value');
      if (value?.kind !== 'string') throw unexpected('value', asked.origin);
      const jwt = answer.secret(value);
      answer.wipe();
      return jwt;
    } catch (cause) {
      if (isFault(cause)) throw cause;
      throw new Fault('unavailable', 'vault.github', 'no token from GitHub Actions', { cause });
    } finally {
      wire.close();
    }
  };
}
