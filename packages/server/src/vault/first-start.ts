import type { Turn } from '#journal';
import type { Random } from '#platform';
import { defaultEnvironment } from './mounts/environment.ts';
import { newMount } from './mounts/new-mount.ts';
import { mountsOf, writeMounts } from './mounts/table.ts';

export const tokenKeyPath = 'core/token-key';
export const auditSaltPath = 'core/audit-salt';
export const fingerprintKeyPath = 'core/fingerprint-key';

/** Makes what every installation has, where it is missing: keys of its own, and the mounts that are always there. */
export function firstStart(turn: Turn, random: Random): void {
  const space = turn.space('system');
  for (const path of [tokenKeyPath, auditSaltPath, fingerprintKeyPath]) {
    if (!space.has(path)) space.put(path, Buffer.from(random.bytes(32)));
  }
  if (mountsOf(turn).mounts.length > 0) return;
  writeMounts(turn, [
    newMount({ path: 'auth/token/', kind: 'auth', type: 'token', description: 'token based credentials' }),
    newMount({
      path: 'cubbyhole/',
      kind: 'secret',
      type: 'cubbyhole',
      description: 'per-token private secret storage',
    }),
    newMount({ path: 'identity/', kind: 'secret', type: 'identity', description: 'identity store' }),
    newMount({
      path: 'sys/',
      kind: 'system',
      type: 'system',
      description: 'system endpoints used for control, policy and debugging',
    }),
  ]);
}

/** Versioned secrets at `secret/`, as `vault server -dev` has them. */
export function mountSecret(turn: Turn): void {
  const { mounts } = mountsOf(turn);
  if (mounts.some((mount) => mount.path === 'secret/')) return;
  const secret = newMount({
    path: 'secret/',
    kind: 'secret',
    type: 'kv',
    environment: defaultEnvironment,
    options: { version: '2' },
    description: 'key/value secret storage',
  });
  writeMounts(turn, [...mounts, secret]);
}
