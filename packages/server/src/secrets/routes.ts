import { Base64, Instant, Name, Text } from '@sallyport/contract';
import { fromBase64, SecretBytes, toBase64 } from '@sallyport/formats';
import { Type } from 'typebox';
import type { Routes } from '#platform';
import type { Secrets } from './secrets.ts';
import { wipeAll } from './values.ts';

const closed = { additionalProperties: false } as const;
const Mount = Type.Object({ project: Name, environment: Name }, closed);
const maxPathLength = 255;
const Version = Type.Integer({ minimum: 0 });
const Data = Type.Record(Type.String({ pattern: '^[A-Za-z0-9._-]{1,64}$' }), Base64(65_536), {
  maxProperties: 100,
});

// The wildcard routes have no schema for their params: the verbs check the address, and a name that is none is denied.
const pathOf = (params: { project: string; environment: string; '*': string }): string =>
  `secrets/${params.project}/${params.environment}/${params['*']}`;

/** Values travel as base64, whatever they are; plaintext is wiped as soon as the answer's text exists. */
export function secretsRoutes(secrets: Secrets): Routes {
  return (http) => {
    http.route({
      method: 'PUT',
      path: '/api/secrets/:project/:environment/data/*',
      summary: 'Adds a version of a secret',
      access: { kind: 'allowed', capability: 'update', path: pathOf },
      body: Type.Object({ data: Data, cas: Type.Optional(Version) }, closed),
      response: Type.Object({ version: Version }, closed),
      bodyLimitBytes: 8 * 1024 * 1024,
      handle: async ({ actor, params, body }) => {
        const data = Object.fromEntries(
          Object.entries(body.data).map(([key, value]) => [key, SecretBytes.from(fromBase64(value))]),
        );
        try {
          const { project, environment, '*': path } = params;
          const cas = body.cas === undefined ? {} : { cas: body.cas };
          return await secrets.put(actor, { project, environment, path, data, ...cas });
        } finally {
          wipeAll(data);
        }
      },
    });

    http.route({
      method: 'GET',
      path: '/api/secrets/:project/:environment/data/*',
      summary: 'The values of a secret; recorded before they are sent',
      access: { kind: 'allowed', capability: 'read', path: pathOf },
      query: Type.Object(
        { version: Type.Optional(Type.Integer({ minimum: 1, maximum: 2_000_000_000 })) },
        closed,
      ),
      response: Type.Object({ version: Version, data: Data }, closed),
      handle: async ({ actor, params, query }) => {
        const { project, environment, '*': path } = params;
        const version = query.version === undefined ? {} : { version: query.version };
        const found = await secrets.get(actor, { project, environment, path, ...version });
        try {
          const data = Object.fromEntries(
            Object.entries(found.data).map(([key, value]) => [key, toBase64(value.expose())]),
          );
          return { version: found.version, data };
        } finally {
          wipeAll(found.data);
        }
      },
    });

    http.route({
      method: 'GET',
      path: '/api/secrets/:project/:environment/versions/*',
      summary: 'The versions of a secret, without values',
      access: { kind: 'allowed', capability: 'list', path: pathOf },
      response: Type.Object(
        {
          versions: Type.Array(
            Type.Object(
              { version: Version, createdBy: Text(100), createdAt: Instant, keys: Type.Array(Text(64)) },
              closed,
            ),
          ),
        },
        closed,
      ),
      handle: async ({ actor, params }) => {
        const { project, environment, '*': path } = params;
        const versions = await secrets.versions(actor, { project, environment, path });
        return {
          versions: versions.map((each) => ({
            version: each.version,
            createdBy: each.createdBy,
            createdAt: each.createdAt.toISOString(),
            keys: [...each.keys],
          })),
        };
      },
    });

    http.route({
      method: 'GET',
      path: '/api/secrets/:project/:environment',
      summary: 'The paths of the secrets of an environment, without values',
      access: {
        kind: 'allowed',
        capability: 'list',
        path: (params) => `secrets/${params.project}/${params.environment}`,
      },
      params: Mount,
      query: Type.Object({ prefix: Type.Optional(Text(maxPathLength)) }, closed),
      response: Type.Object(
        { secrets: Type.Array(Type.Object({ path: Text(maxPathLength), version: Version }, closed)) },
        closed,
      ),
      handle: async ({ actor, params, query }) => {
        const prefix = query.prefix === undefined ? {} : { prefix: query.prefix };
        const found = await secrets.list(actor, { ...params, ...prefix });
        // Longer ones can only be written, and read, by Vault's interface.
        return { secrets: found.filter(({ path }) => path.length <= maxPathLength) };
      },
    });

    http.route({
      method: 'POST',
      path: '/api/secrets/token',
      summary: "A token for Vault's interface, with the caller's rights on secrets, for at most an hour",
      access: { kind: 'authenticated', reason: 'gives no right that the caller does not have' },
      body: Type.Object(
        {
          ttlSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 3600 })),
          project: Type.Optional(Name),
          environment: Type.Optional(Name),
        },
        closed,
      ),
      response: Type.Object(
        { token: Text(200), accessor: Text(100), policies: Type.Array(Text(200)), expiresAt: Instant },
        closed,
      ),
      handle: async ({ actor, body }) => {
        const { token, accessor, policies, expiresAt } = await secrets.vaultToken(actor, body);
        const text = token.exposeUtf8();
        token.wipe();
        return { token: text, accessor, policies: [...policies], expiresAt: expiresAt.toISOString() };
      },
    });
  };
}
