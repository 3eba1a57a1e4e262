import { isFault } from '@sallyport/formats';
import {
  type BoundedAnswer,
  type BoundedFetch,
  fetchTimeoutMs,
  unavailable,
} from '../fetch/bounded-fetch.ts';
import { createDocumentCache, type Loaded } from '../fetch/document-cache.ts';
import type { JwksSource, JwtConfig, KeySource } from './config.ts';
import { type Issuer, maxDiscoveryBytes, parseIssuerDocument } from './discovery.ts';
import { maxJwksBytes, parseJwks, type VerificationKey } from './keys.ts';

/** The keys of a source, and what kept some of them away. */
export interface KeySet {
  readonly keys: readonly VerificationKey[];
  /** Set when one of several JWKS could not be had: no key found is then no proof that there is none. */
  readonly incomplete: unknown;
}

export interface KeySets {
  /** Keys of the configured source, from the cache where it is fresh. Throws `Fault('unavailable')`. */
  keys(config: JwtConfig): Promise<KeySet>;
  /** The same, asked again: a token names a key that is not there. At most once in 10 s per address. */
  renewed(config: JwtConfig): Promise<KeySet>;
  /** The issuer behind `oidc_discovery_url`, for the authorization code flow. */
  issuer(source: Extract<KeySource, { kind: 'discovery' }>): Promise<Issuer>;
}

export function createKeySets(deps: {
  readonly fetch: BoundedFetch;
  /** Milliseconds since an arbitrary start; never the wall clock. */
  readonly monotonicMs: () => number;
}): KeySets {
  const jwksCache = createDocumentCache<readonly VerificationKey[]>(deps.monotonicMs);
  const issuerCache = createDocumentCache<Issuer>(deps.monotonicMs);

  async function get(url: URL, caPem: string, maxBytes: number, signal: AbortSignal): Promise<BoundedAnswer> {
    const answer = await deps.fetch({ url, caPem, maxBytes, signal });
    if (answer.status !== 200)
      throw unavailable(`expected status 200 of the configured server, got ${answer.status}`);
    return answer;
  }

  async function loadJwks({ url, caPem }: JwksSource): Promise<Loaded<readonly VerificationKey[]>> {
    const answer = await get(url, caPem, maxJwksBytes, AbortSignal.timeout(fetchTimeoutMs));
    return { value: parseJwks(answer.body), cacheControl: answer.cacheControl };
  }

  /** Both documents within one deadline; how long they hold is said by the keys, the part that rotates. */
  async function loadIssuer(source: Extract<KeySource, { kind: 'discovery' }>): Promise<Loaded<Issuer>> {
    const signal = AbortSignal.timeout(fetchTimeoutMs);
    const described = await get(source.url, source.caPem, maxDiscoveryBytes, signal);
    const document = parseIssuerDocument(described.body, source.issuer, source.url);
    const answer = await get(document.jwksUrl, source.caPem, maxJwksBytes, signal);
    return { value: { document, keys: parseJwks(answer.body) }, cacheControl: answer.cacheControl };
  }

  async function ask(source: KeySource, how: 'get' | 'renew'): Promise<KeySet> {
    switch (source.kind) {
      case 'static':
        return { keys: source.keys, incomplete: undefined };
      case 'discovery': {
        const { keys } = await issuerCache[how](idOf(source), () => loadIssuer(source));
        return { keys, incomplete: undefined };
      }
      case 'jwks': {
        const sets = await Promise.allSettled(
          source.pairs.map((pair) => jwksCache[how](idOf(pair), () => loadJwks(pair))),
        );
        // A fault of our own is not the issuer's silence.
        for (const set of sets) {
          if (set.status === 'rejected' && !isFault(set.reason)) throw set.reason;
        }
        const keys = sets.flatMap((set) => (set.status === 'fulfilled' ? set.value : []));
        const failed = sets.find((set) => set.status === 'rejected');
        if (keys.length === 0 && failed !== undefined) throw failed.reason;
        return { keys, incomplete: failed?.reason };
      }
    }
  }

  return {
    keys: (config) => ask(config.source, 'get'),
    renewed: (config) => ask(config.source, 'renew'),
    issuer: (source) => issuerCache.get(idOf(source), () => loadIssuer(source)),
  };
}

/** Other authorities are another question: an answer believed under the old ones must not serve the new ones. */
function idOf({ url, caPem }: { readonly url: URL; readonly caPem: string }): string {
  return JSON.stringify([url.href, caPem]);
}
