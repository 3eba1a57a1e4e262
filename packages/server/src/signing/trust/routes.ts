import { Fault, toBase64, utf8 } from '@sallyport/formats';
import { Type } from 'typebox';
import type { Routes, StreamReply } from '#platform';
import type { Trust, TrustStatus } from './trust.ts';

const closed = { additionalProperties: false } as const;
const Role = Type.Object(
  {
    role: Type.String({ maxLength: 20 }),
    version: Type.Integer(),
    expires: Type.String({ maxLength: 30 }),
  },
  closed,
);
const Status = Type.Object(
  {
    installation: Type.String(),
    /** SubjectPublicKeyInfo in base64: what `targets` of a root must name. */
    targetsKey: Type.String(),
    /** And what `snapshot` and `timestamp` must name. */
    onlineKey: Type.String(),
    root: Type.Optional(
      Type.Object(
        {
          version: Type.Integer(),
          expires: Type.String(),
          threshold: Type.Integer(),
          keyIds: Type.Array(Type.String()),
        },
        closed,
      ),
    ),
    roles: Type.Array(Role),
  },
  closed,
);

function view({ installation, targetsKey, onlineKey, root, roles }: TrustStatus) {
  return {
    installation,
    targetsKey: toBase64(targetsKey),
    onlineKey: toBase64(onlineKey),
    ...(root === undefined
      ? {}
      : {
          root: {
            version: root.version,
            expires: root.expires,
            threshold: root.roles.root.threshold,
            keyIds: [...root.roles.root.keyids],
          },
        }),
    roles: roles.map((each) => ({
      role: each.role,
      version: each.version,
      expires: each.expiresAt.toISOString(),
    })),
  };
}

const reason = 'it holds public keys only, and verifiers have no account';

export function trustRoutes(trust: Trust): Routes {
  return (http) => {
    http.stream({
      method: 'GET',
      path: '/trusted_root.json',
      summary: 'Whom to believe, for the clients of Sigstore (trusted root v0.1)',
      access: { kind: 'public', reason },
      handle: async (_request, reply) => await send(reply, await trust.trustedRoot(), 'no-cache'),
    });
    http.stream({
      method: 'GET',
      path: '/signing_config.json',
      summary: 'Where the clients of Sigstore sign (signing config v0.2)',
      access: { kind: 'public', reason },
      handle: async (_request, reply) => await send(reply, await trust.signingConfig(), 'no-cache'),
    });
    http.stream({
      method: 'GET',
      path: '/tuf/*',
      summary: 'A file of the TUF repository, with consistent snapshots',
      access: { kind: 'public', reason },
      handle: async ({ params }, reply) => {
        const path = params['*'];
        const bytes = path.length <= 200 ? await trust.file(path) : undefined;
        if (bytes === undefined) {
          throw new Fault('not_found', 'signing.tuf_file', 'expected a file of the TUF repository', {
            hint: 'there is one after sally trust init',
          });
        }
        const named = path !== 'root.json' && path !== 'timestamp.json';
        await send(reply, bytes, named ? 'public, max-age=31536000, immutable' : 'no-cache');
      },
    });
    http.route({
      method: 'GET',
      path: '/api/trust',
      summary: 'State of the TUF repository, and the keys of the server that a root must name',
      access: { kind: 'allowed', capability: 'read', path: () => 'trust' },
      response: Status,
      handle: async () => view(await trust.status()),
    });
    http.route({
      method: 'POST',
      path: '/api/trust/keys',
      summary: 'New keys of the server for targets, snapshot and timestamp; the next root puts them in force',
      access: { kind: 'allowed', capability: 'update', path: () => 'trust' },
      response: Status,
      handle: async ({ actor }) => view(await trust.addKeys(actor)),
    });
    http.route({
      method: 'POST',
      path: '/api/trust/roots',
      summary: 'The next root.json, signed with keys that the server does not have',
      access: { kind: 'allowed', capability: 'update', path: () => 'trust' },
      body: Type.Object({ document: Type.String({ maxLength: 262_144 }) }, closed),
      response: Status,
      handle: async ({ actor, body }) => view(await trust.acceptRoot(actor, utf8(body.document))),
    });
  };
}

async function send(reply: StreamReply, content: Uint8Array | string, cache: string): Promise<void> {
  await reply.headers({ 'content-type': 'application/json', 'cache-control': cache }).send(content);
}
