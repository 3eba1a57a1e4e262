import { createHash } from 'node:crypto';
import { type Digest, digestOf, Fault, parseDigest, parseReference } from '@sallyport/formats';
import type { Credentials } from './credentials.ts';
import { createSignIn, type Fetch, isLocal } from './sign-in.ts';

export interface RemoteManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** One repository of a registry that we know nothing of but that it speaks OCI distribution. */
export interface Remote {
  readonly host: string;
  readonly repository: string;
  /** By tag or digest, verified when asked for by digest; undefined when it is not there. */
  manifest(reference: string): Promise<RemoteManifest | undefined>;
  pushManifest(reference: string, manifest: Pick<RemoteManifest, 'bytes' | 'mediaType'>): Promise<void>;
  hasBlob(digest: Digest): Promise<boolean>;
  /** The bytes as they come; breaks off with `integrity` when they are not those of the digest. */
  blob(digest: Digest, sizeBytes: number): Promise<AsyncIterable<Uint8Array>>;
  /** Takes the blob over from another repository of the same registry; false when that cannot be done. */
  mount(digest: Digest, from: string): Promise<boolean>;
  pushBlob(digest: Digest, sizeBytes: number, content: AsyncIterable<Uint8Array>): Promise<void>;
  /** One page of referrers; undefined when the registry has no such API. `next` is what to ask with. */
  referrers(
    subject: Digest,
    next?: string,
  ): Promise<{ readonly index: Uint8Array; readonly next?: string } | undefined>;
}

export const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];
const maxManifestBytes = 4 * 1024 * 1024;

interface Place {
  readonly origin: string;
  readonly repository: string;
  /** A tag or digest; the digest when both are written. */
  readonly reference: string;
  readonly tag?: string;
}

/** Reads `HOST/REPOSITORY:TAG` or `@DIGEST`; Docker Hub's short names as docker reads them. */
export function parsePlace(text: string, plainHttp: boolean): Place {
  const { host = 'docker.io', repository, tag, digest } = parseReference(text);
  const hub = host === 'docker.io';
  const name = hub ? 'registry-1.docker.io' : host;
  const local = isLocal(new URL(`https://${name}`));
  return {
    origin: `${plainHttp || local ? 'http' : 'https'}://${name}`,
    repository: hub && !repository.includes('/') ? `library/${repository}` : repository,
    reference: digest ?? tag ?? 'latest',
    ...(tag === undefined ? {} : { tag }),
  };
}

export function createRemote(
  { origin, repository }: Place,
  credentials: Credentials | undefined,
  fetch: Fetch,
): Remote {
  const signIn = createSignIn(origin, credentials, fetch);
  const base = `${origin}/v2/${repository}/`;
  const host = new URL(origin).host;

  async function call(
    method: string,
    url: string,
    init: {
      headers?: Record<string, string>;
      body?: () => Uint8Array<ArrayBuffer> | ReadableStream;
      scope?: string;
    } = {},
  ): Promise<Response> {
    const actions = method === 'GET' || method === 'HEAD' ? 'pull' : 'pull,push';
    const scope = init.scope ?? `repository:${repository}:${actions}`;
    const send = (authorization: string | undefined): Promise<Response> =>
      fetch(new URL(url, base).href, {
        method,
        headers: { ...init.headers, ...(authorization === undefined ? {} : { authorization }) },
        ...(init.body === undefined ? {} : { body: init.body(), duplex: 'half' as const }),
        // Blobs are often elsewhere; fetch leaves the credentials behind when the origin changes.
        redirect: method === 'GET' ? 'follow' : 'error',
      });
    const first = await reached(() => send(signIn.known(scope)));
    if (first.status !== 401) return first;
    await first.body?.cancel();
    const authorization = await signIn.answer(first.headers.get('www-authenticate'), scope);
    return await reached(() => send(authorization));
  }

  async function reached(work: () => Promise<Response>): Promise<Response> {
    try {
      return await work();
    } catch (cause) {
      throw new Fault(
        'unavailable',
        'cli.registry_unreachable',
        `expected an answer from ${host}, got none`,
        {
          cause,
        },
      );
    }
  }

  async function unexpected(what: string, response: Response): Promise<Fault> {
    const text = (await response.text().catch(() => '')).slice(0, 300);
    const kind =
      response.status === 401
        ? 'unauthenticated'
        : response.status === 403
          ? 'denied'
          : response.status >= 500 || response.status === 429
            ? 'unavailable'
            : 'invalid';
    return new Fault(kind, 'cli.registry', `${host} refused ${what} with status ${response.status}: ${text}`);
  }

  async function bytesOf(response: Response): Promise<Uint8Array> {
    const bytes = await response.bytes();
    if (bytes.length > maxManifestBytes)
      throw new Fault('invalid', 'cli.registry', `expected at most ${maxManifestBytes} bytes of a manifest`);
    return bytes;
  }

  /** Starts an upload; where its content goes. */
  async function startUpload(query = '', scope?: string): Promise<Response> {
    // Our answer to a 401 comes before any content is read, because this request has none.
    return await call('POST', `blobs/uploads/${query}`, {
      headers: { 'content-length': '0' },
      ...(scope === undefined ? {} : { scope }),
    });
  }

  return {
    host,
    repository,

    async manifest(reference) {
      const response = await call('GET', `manifests/${reference}`, {
        headers: { accept: manifestTypes.join(', ') },
      });
      if (response.status === 404) {
        await response.body?.cancel();
        return undefined;
      }
      if (response.status !== 200) throw await unexpected(`the manifest ${reference}`, response);
      const bytes = await bytesOf(response);
      const digest = digestOf(bytes);
      if (reference.includes(':') && digest !== reference)
        throw new Fault(
          'integrity',
          'cli.wrong_manifest',
          `expected ${reference} from ${host}, got ${digest}`,
        );
      const mediaType = (response.headers.get('content-type') ?? '').split(';', 1)[0]?.trim() ?? '';
      return { digest, mediaType, bytes };
    },

    async pushManifest(reference, { bytes, mediaType }) {
      const body = (): Uint8Array<ArrayBuffer> => new Uint8Array(bytes);
      const response = await call('PUT', `manifests/${reference}`, {
        headers: { 'content-type': mediaType },
        body,
      });
      if (response.status !== 201) throw await unexpected(`the manifest ${reference}`, response);
      await response.body?.cancel();
    },

    async hasBlob(digest) {
      const response = await call('HEAD', `blobs/${digest}`);
      await response.body?.cancel();
      if (response.status === 200) return true;
      if (response.status === 404) return false;
      throw await unexpected(`a question for ${digest}`, response);
    },

    async blob(digest, sizeBytes) {
      const response = await call('GET', `blobs/${digest}`);
      if (response.status !== 200 || response.body === null) throw await unexpected(digest, response);
      return verified(response.body, digest, sizeBytes, host);
    },

    async mount(digest, from) {
      const response = await startUpload(
        `?mount=${digest}&from=${encodeURIComponent(from)}`,
        `repository:${repository}:pull,push repository:${from}:pull`,
      );
      await response.body?.cancel();
      return response.status === 201;
    },

    async pushBlob(digest, sizeBytes, content) {
      const started = await startUpload();
      const location = started.headers.get('location');
      if (started.status !== 202 || location === null) throw await unexpected('an upload', started);
      await started.body?.cancel();
      const place = new URL(location, base);
      // Another origin than the one that was named must not get credentials or content.
      if (place.origin !== origin)
        throw new Fault('integrity', 'cli.registry', `expected an upload at ${origin}, got ${place.origin}`);
      place.searchParams.set('digest', digest);
      const read = watched(content);
      const response = await call('PUT', place.href, {
        headers: { 'content-type': 'application/octet-stream', 'content-length': String(sizeBytes) },
        body: () => ReadableStream.from(read.chunks),
      }).catch((error: unknown) => {
        // What is wrong with the source is told, and not that the destination then heard no more.
        throw read.failure() ?? error;
      });
      if (response.status !== 201) throw await unexpected(digest, response);
      await response.body?.cancel();
    },

    async referrers(subject, next) {
      const response = await call('GET', next ?? `referrers/${subject}`, {
        headers: { accept: 'application/vnd.oci.image.index.v1+json' },
      });
      const type = response.headers.get('content-type') ?? '';
      // Some answer what they do not have with a page for people.
      if (response.status !== 200 || !type.startsWith('application/vnd.oci.image.index.v1+json')) {
        await response.body?.cancel();
        if (response.status >= 500 || response.status === 403) throw await unexpected('referrers', response);
        return undefined;
      }
      const link = /<([^>]{1,2000})>\s*;\s*rel="?next"?/.exec(response.headers.get('link') ?? '')?.[1];
      const index = await bytesOf(response);
      if (link === undefined) return { index };
      const url = new URL(link, response.url);
      if (url.origin !== origin)
        throw new Fault(
          'integrity',
          'cli.registry',
          `expected the next page at ${origin}, got ${url.origin}`,
        );
      return { index, next: url.href };
    },
  };
}

function watched(content: AsyncIterable<Uint8Array>): {
  readonly chunks: AsyncIterable<Uint8Array>;
  failure(): unknown;
} {
  let failure: unknown;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      yield* content;
    } catch (error) {
      failure = error;
      throw error;
    }
  }
  return { chunks: chunks(), failure: () => failure };
}

async function* verified(
  body: AsyncIterable<Uint8Array>,
  digest: Digest,
  sizeBytes: number,
  host: string,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > sizeBytes) break;
    hash.update(chunk);
    if (size < sizeBytes) yield chunk;
    // The last bytes leave only when all of them are right, so that nobody has the whole of something wrong.
    else if (parseDigest(`sha256:${hash.copy().digest('hex')}`) === digest) yield chunk;
    else break;
  }
  if (size !== sizeBytes || `sha256:${hash.digest('hex')}` !== digest)
    throw new Fault(
      'integrity',
      'cli.wrong_blob',
      `expected ${sizeBytes} bytes of ${digest} from ${host}, got others`,
    );
}
