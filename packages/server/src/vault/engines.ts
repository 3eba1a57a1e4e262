import type { Random } from '#platform';
import { approleBackend } from './auth/approle/backend.ts';
import { createMethods } from './auth/methods.ts';
import { tokenBackend } from './auth/token/backend.ts';
import type { Backend } from './backend.ts';
import { cubbyholeBackend } from './cubbyhole/backend.ts';
import { identityBackend } from './identity/backend.ts';
import { kvV1Backend, kvV2Backend } from './kv/backend.ts';
import { nativeSignIn } from './native/sign-in-mount.ts';
import { createSysBackend } from './sys/backend.ts';
import { createTransit, type Transit } from './transit/backend.ts';

/** Everything that can be mounted, by the name of its type; what it keeps in memory lives as long as the server is open. */
export interface Engines {
  readonly secret: ReadonlyMap<string, Backend>;
  readonly auth: ReadonlyMap<string, Backend>;
  readonly transit: Transit;
}

export function createEngines(random: Random): Engines {
  const transit = createTransit(random);
  return {
    secret: byType(
      [createSysBackend(), identityBackend, cubbyholeBackend, transit.backend],
      [
        ['kv', kvV1Backend],
        ['kv-v2', kvV2Backend],
      ],
    ),
    auth: byType([tokenBackend, approleBackend, nativeSignIn, ...createMethods({ random })], []),
    transit,
  };
}

function byType(
  backends: readonly Backend[],
  named: ReadonlyArray<readonly [string, Backend]>,
): ReadonlyMap<string, Backend> {
  return new Map([...named, ...backends.map((backend) => [backend.type, backend] as const)]);
}
