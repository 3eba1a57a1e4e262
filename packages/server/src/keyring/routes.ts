import { Name } from '@sallyport/contract';
import { Type } from 'typebox';
import type { Routes } from '#platform';
import type { Keyring } from './keyring.ts';

const closed = { additionalProperties: false } as const;
const EnvironmentParams = Type.Object({ project: Name, environment: Name }, closed);
const Rotated = Type.Object({ version: Type.Integer({ minimum: 1 }) }, closed);

/**
 * Starting a rotation is all that anybody may do with keys from outside; none ever leaves. Each scope has a path of
 * its own, so that a team may rotate the key of its environment and no other.
 */
export function keyringRoutes(keyring: Keyring): Routes {
  return (http) => {
    http.route({
      method: 'POST',
      path: '/api/keyring/environments/:project/:environment/rotate',
      summary: 'A new key for the secrets of an environment; records move to it online',
      access: {
        kind: 'allowed',
        capability: 'update',
        path: ({ project, environment }) => `keyring/environments/${project}/${environment}`,
      },
      params: EnvironmentParams,
      response: Rotated,
      handle: ({ actor, params }) => keyring.rotate(`env:${params.project}/${params.environment}`, actor),
    });
    http.route({
      method: 'POST',
      path: '/api/keyring/system/rotate',
      summary: 'A new key for the signing keys',
      access: { kind: 'allowed', capability: 'update', path: () => 'keyring/system' },
      response: Rotated,
      handle: ({ actor }) => keyring.rotate('system', actor),
    });
    http.route({
      method: 'POST',
      path: '/api/keyring/root/rotate',
      summary: 'A new root key; all other keys move to it at once',
      access: { kind: 'allowed', capability: 'update', path: () => 'keyring/root' },
      response: Rotated,
      handle: ({ actor }) => keyring.rotateRoot(actor),
    });
  };
}
