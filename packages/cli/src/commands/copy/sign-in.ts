import { Fault } from '@sallyport/formats';
import type { Credentials } from './credentials.ts';

export type Fetch = (url: string, init: RequestInit & { duplex?: 'half' }) => Promise<Response>;

/** Answers the challenges of one registry: gives the `authorization` that it asked for. */
export interface SignIn {
  /** What to send before anybody asked, for these scopes. */
  known(scope: string): string | undefined;
  /** After a 401: asks where the challenge says. Throws `unauthenticated` when nothing helps. */
  answer(challenge: string | null, scope: string): Promise<string>;
}

const maxTokenBytes = 64 * 1024;

/**
 * `WWW-Authenticate` of distribution's token specification and RFC 7617. The realm is the registry's choice, so it gets
 * credentials only over TLS (or on this machine), and those of our own server only at its own origin.
 */
export function createSignIn(origin: string, credentials: Credentials | undefined, fetch: Fetch): SignIn {
  const byScope = new Map<string, string>();
  const basic =
    credentials === undefined
      ? undefined
      : `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')}`;

  async function token(challenge: string, scope: string): Promise<string> {
    const realm = parameter(challenge, 'realm') ?? '';
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    if (url === undefined || !(url.protocol === 'https:' || isLocal(url)))
      throw refused(`expected ${origin} to name a realm with https, got "${realm.slice(0, 100)}"`);
    const service = parameter(challenge, 'service');
    if (service !== undefined) url.searchParams.set('service', service);
    for (const each of new Set([scope, parameter(challenge, 'scope') ?? scope]))
      for (const one of each.split(' ')) url.searchParams.append('scope', one);
    const mayKnow = credentials?.onlyAt === undefined || credentials.onlyAt === url.origin;
    const response = await fetch(url.href, {
      headers: basic !== undefined && mayKnow ? { authorization: basic } : {},
      redirect: 'error',
    });
    const text = await response.text();
    if (!response.ok || text.length > maxTokenBytes)
      throw refused(`expected a token from ${url.origin}, got status ${response.status}`);
    const answer: unknown = JSON.parse(text);
    for (const name of ['token', 'access_token'])
      for (const [key, value] of Object.entries(answer ?? {}))
        if (key === name && typeof value === 'string' && /^[!-~]+$/.test(value)) return `Bearer ${value}`;
    throw refused(`expected a token from ${url.origin}, got none`);
  }

  return {
    known: (scope) => byScope.get(scope),
    async answer(challenge, scope) {
      const text = challenge ?? '';
      const value = /\bbearer\b/i.test(text) ? await token(text, scope) : basic;
      if (value === undefined) throw refused(`${origin} asks for credentials, and there are none for it`);
      byScope.set(scope, value);
      return value;
    },
  };
}

export function isLocal(url: URL): boolean {
  return /^(localhost|127\.[0-9.]+|\[::1\])$/.test(url.hostname);
}

function parameter(challenge: string, name: string): string | undefined {
  return new RegExp(`\\b${name}="([^"]{0,2000})"`).exec(challenge)?.[1];
}

function refused(message: string): Fault {
  return new Fault('unauthenticated', 'cli.registry_credentials', message, {
    hint: 'docker login, podman login or crane auth login, then try again',
  });
}
