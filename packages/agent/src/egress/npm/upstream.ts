import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { createGunzip } from 'node:zlib';
import { Fault } from '@sallyport/formats';
import type { EgressLimits } from '../limits.ts';
import { publicLookup } from '../proxy/addresses.ts';

/** The registry the npm client of this host is configured with; no host name is built in. */
export interface Registry {
  readonly url: string;
  /** Value of the `authorization` header, from the user's npmrc; sent to this registry's origin only. */
  readonly authorization?: string | undefined;
  /** Certificates to trust instead of the default ones (npm's `cafile`). */
  readonly ca?: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface Upstream {
  /** Where the package's document is. */
  packumentUrl(name: string): URL;
  /** Where a tarball is: what the packument says if that is this registry, else the conventional place at this registry. */
  tarballUrl(name: string, file: string, stated: string | undefined): URL;
  /** One GET; more than `maxBytes` or more time than `deadlineMs` ends the body with a Fault. */
  get(url: URL, options: { accept: string; maxBytes: number; deadlineMs: number }): Promise<Answer>;
  close(): void;
}

const maxRedirects = 3;

export function createUpstream(registry: Registry, limits: EgressLimits): Upstream {
  const base = new URL(registry.url.endsWith('/') ? registry.url : `${registry.url}/`);
  if (base.protocol !== 'https:' && base.protocol !== 'http:') {
    throw new Fault(
      'invalid',
      'egress.registry_url',
      `expected an http or https registry, got "${base.protocol}"`,
    );
  }
  const options = { keepAlive: true, maxSockets: limits.upstreamRequests, maxFreeSockets: 8 };
  const plain = new HttpAgent(options);
  const secure = new HttpsAgent({ ...options, ...(registry.ca === undefined ? {} : { ca: registry.ca }) });

  const once = (url: URL, accept: string, signal: AbortSignal): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const own = url.origin === base.origin;
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
      const request = send(url, {
        agent: url.protocol === 'https:' ? secure : plain,
        signal,
        timeout: limits.idleMs,
        // An answer may redirect elsewhere (a CDN), but not into this host's own network.
        ...(own ? {} : { lookup: publicLookup, agent: false }),
        headers: {
          accept,
          'accept-encoding': 'gzip',
          'user-agent': 'sallyport-mirror',
          ...(own && registry.authorization !== undefined ? { authorization: registry.authorization } : {}),
        },
      });
      request.on('timeout', () =>
        request.destroy(
          unavailable(`expected an answer from the registry within ${limits.idleMs} ms, got silence`),
        ),
      );
      request.on('response', resolve);
      request.on('error', (cause) => reject(asFault(cause)));
      request.end();
    });

  return {
    packumentUrl: (name) => new URL(name.replace('/', '%2f'), base),
    tarballUrl(name, file, stated) {
      const url = stated === undefined ? undefined : URL.parse(stated);
      if (url != null && url.origin === base.origin && url.username === '' && url.search === '') return url;
      return new URL(`${name}/-/${file}`, base);
    },
    async get(start, { accept, maxBytes, deadlineMs }) {
      const signal = AbortSignal.timeout(deadlineMs);
      let url = start;
      for (let hops = 0; hops <= maxRedirects; hops++) {
        const answer = await once(url, accept, signal);
        const status = answer.statusCode ?? 0;
        const location = answer.headers.location;
        if (status < 300 || status > 399 || location === undefined)
          return { status, body: bounded(answer, maxBytes) };
        answer.destroy();
        const next = URL.parse(location, url);
        if (
          next === null ||
          (next.origin !== base.origin && next.protocol !== 'https:') ||
          isAddress(next, base)
        ) {
          throw new Fault(
            'denied',
            'egress.redirect',
            'expected a redirect within the registry or to a public https host',
          );
        }
        url = next;
      }
      throw unavailable(`expected at most ${maxRedirects} redirects from the registry, got more`);
    },
    close() {
      plain.destroy();
      secure.destroy();
    },
  };
}

/** A lookup is never made for an address literal, so the check of `publicLookup` would not see it. */
function isAddress(url: URL, base: URL): boolean {
  return url.origin !== base.origin && (/^[\d.]+$/.test(url.hostname) || url.hostname.startsWith('['));
}

async function* bounded(answer: IncomingMessage, maxBytes: number): AsyncGenerator<Uint8Array> {
  const coding = answer.headers['content-encoding'] ?? 'identity';
  if (coding !== 'identity' && coding !== 'gzip') {
    answer.destroy();
    throw unavailable('expected an answer from the registry as gzip or as it is, got another coding');
  }
  const stream = coding === 'gzip' ? answer.pipe(createGunzip()) : answer;
  if (stream !== answer) answer.on('error', (error) => stream.destroy(error));
  let size = 0;
  try {
    for await (const chunk of stream) {
      size += chunk.length;
      if (size > maxBytes) {
        throw new Fault(
          'exhausted',
          'egress.too_large',
          `expected at most ${maxBytes} bytes from the registry, got more`,
        );
      }
      yield chunk;
    }
    if (!answer.complete) throw unavailable('expected a whole answer from the registry, got a truncated one');
  } catch (cause) {
    throw asFault(cause);
  } finally {
    answer.destroy();
  }
}

function asFault(cause: unknown): Fault {
  if (cause instanceof Fault) return cause;
  return unavailable('expected an answer from the registry, the connection failed', cause);
}

function unavailable(message: string, cause?: unknown): Fault {
  return new Fault(
    'unavailable',
    'egress.upstream_unavailable',
    message,
    cause === undefined ? {} : { cause },
  );
}
