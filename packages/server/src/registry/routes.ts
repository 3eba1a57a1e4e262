import { Fault, isFault } from '@sallyport/formats';
import type { Authorize, Capability, Routes } from '#platform';
import { accessTokenRoutes } from './access/routes.ts';
import type { AccessTokens } from './access/tokens.ts';
import { maxBlobBytes } from './blobs/blobs.ts';
import { continueUpload, readBlob, startUpload } from './http/blob-routes.ts';
import { type Call, drain, singleQuery, tagsOf, unbroken } from './http/call.ts';
import { dockerStatus, renderDockerError } from './http/docker-error.ts';
import { manifest, referrers, tags } from './http/manifest-routes.ts';
import { parseTarget } from './http/path.ts';
import type { Registry } from './registry.ts';

const methods: ReadonlyArray<readonly ['GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', Capability]> = [
  ['GET', 'read'],
  ['HEAD', 'read'],
  ['POST', 'create'],
  ['PATCH', 'create'],
  ['PUT', 'create'],
  ['DELETE', 'delete'],
];

export interface RegistryRoutesDeps {
  readonly authorize: Authorize;
  /** Without them clients are told to bring Basic credentials, and nothing else changes. */
  readonly tokens?: AccessTokens;
}

/**
 * OCI distribution 1.1 under `/v2/`. The whole protocol hangs on one wildcard, because a repository name may have any
 * number of parts; permission is `registry/<repository>` with the capability of the method. `authorize` is asked once
 * more for the source of a mount.
 */
export function registryRoutes(registry: Registry, deps: RegistryRoutesDeps): Routes {
  const { tokens } = deps;
  const renderFault = renderDockerError(tokens);
  /** Policies, and the grants of the token that the actor came with. */
  const authorize: Authorize = async (actor, capability, path) => {
    await deps.authorize(actor, capability, path);
    tokens?.assertGranted(actor, capability, path.slice('registry/'.length));
  };
  return (http) => {
    const common = {
      credentials: 'basic',
      renderFault,
      ...(tokens === undefined ? {} : { authenticate: tokens.authenticate }),
    } as const;
    if (tokens !== undefined) accessTokenRoutes(tokens, renderFault)(http);
    for (const method of ['GET', 'HEAD'] as const)
      http.stream({
        method,
        path: '/v2/',
        summary: 'Whether this is a registry and the credentials are good',
        access: { kind: 'authenticated', reason: 'names nothing; clients call it to check a login' },
        ...common,
        handle: async (_request, reply) => {
          const body = method === 'HEAD' ? undefined : '{}';
          await reply
            .status(200)
            .headers({
              'content-type': 'application/json',
              'docker-distribution-api-version': 'registry/2.0',
            })
            .send(body);
        },
      });
    for (const [method, capability] of methods)
      http.stream({
        method,
        path: '/v2/*',
        summary: `OCI distribution: ${method}`,
        access: {
          kind: 'allowed',
          capability,
          path: (params) => `registry/${parseTarget(params['*']).repository}`,
        },
        ...common,
        bodyLimitBytes: maxBlobBytes,
        timeoutSeconds: 60,
        handle: async (request, reply, incoming) => {
          const body = unbroken(incoming);
          const notAllowed = (): Fault =>
            new Fault('invalid', 'registry.method', `expected another method than ${method} at this path`);
          try {
            const { actor, headers } = request;
            tokens?.assertGranted(actor, capability, parseTarget(request.params['*']).repository);
            const call: Call = {
              method,
              actor,
              headers,
              query: singleQuery(request.query),
              tags: tagsOf(request.query),
              body,
              reply,
              notAllowed,
            };
            await answer(registry, authorize, request.params['*'], call);
          } catch (error) {
            const status = isFault(error) ? dockerStatus(error) : undefined;
            if (!isFault(error) || status === undefined) throw error;
            await drain(body);
            const {
              contentType,
              body: text,
              headers,
            } = renderFault(error, status, request.requestId, {
              method,
              path: `/v2/${request.params['*']}`,
            });
            await reply
              .status(status)
              .headers({ 'content-type': contentType, ...headers, ...rangeOf(error) })
              .send(method === 'HEAD' ? undefined : text);
          }
        },
      });
  };
}

async function answer(registry: Registry, authorize: Authorize, path: string, call: Call): Promise<void> {
  const target = parseTarget(path);
  const { repository } = target;
  switch (target.kind) {
    case 'uploads':
      if (call.method !== 'POST') throw call.notAllowed();
      return await startUpload(registry, authorize, repository, call);
    case 'upload':
      return await continueUpload(registry, repository, target.id, call);
    case 'manifest':
      return await manifest(registry, repository, target.reference, call);
    case 'blob':
      if (call.method === 'GET' || call.method === 'HEAD')
        return await readBlob(registry, repository, target.digest, call);
      if (call.method !== 'DELETE') throw call.notAllowed();
      await registry.deleteBlob(repository, target.digest);
      return await call.reply.status(202).headers({ 'content-length': '0' }).send();
    case 'tags':
      if (call.method !== 'GET') throw call.notAllowed();
      return await tags(registry, repository, call);
    case 'referrers':
      if (call.method !== 'GET') throw call.notAllowed();
      return await referrers(registry, repository, target.digest, call);
  }
}

/** Where a resume has to go on, or how long the content is. */
function rangeOf(fault: Fault): Readonly<Record<string, string>> {
  const { offsetBytes, sizeBytes } = fault.details;
  if (typeof offsetBytes === 'number') return { range: `0-${Math.max(0, offsetBytes - 1)}` };
  return typeof sizeBytes === 'number' ? { 'content-range': `bytes */${sizeBytes}` } : {};
}
