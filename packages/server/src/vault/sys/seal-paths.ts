import type { Turn } from '#journal';
import { type Call, type PathSpec, prepared, type Reply } from '../backend.ts';
import { badRequest } from '../errors.ts';
import { scopeOfEnvironment } from '../mounts/mount.ts';
import { jsonCodec } from '../records.ts';
import type { KeyStatus } from './ports.ts';

/** Rotation by time or by use. The keyring rotates before its own limit whatever is said here. */
interface RotationConfig {
  readonly enabled: boolean;
  /** Seconds; 0 is never. */
  readonly interval: number;
  readonly maxOperations: number;
}

const recordPath = 'core/rotation';
const codec = jsonCodec<RotationConfig>(true);
/** Half of the 2^32 encryptions of NIST SP 800-38D section 8.3, where the keyring rotates by itself. */
const mostOperations = 2 ** 31;
const leastOperations = 1_000_000;
const leastInterval = 24 * 3600;
const unchanged: RotationConfig = { enabled: true, interval: 0, maxOperations: mostOperations };

/** For the tick that rotates keys. */
export function rotationConfigOf(turn: Turn): RotationConfig {
  return turn.space('system').read(recordPath, codec) ?? unchanged;
}

const rotate = prepared({
  // Before the turn, because clients look at the new key right after the answer. A rotation whose audit fails has
  // given nothing away; the keyring records it in the ledger as well.
  prepare: (call) => call.core.sys.rotate(),
  decide: (): Reply => ({}),
});

const rotationConfig: Pick<PathSpec, 'synopsis' | 'fields' | 'on'> = {
  synopsis: 'When keys are rotated without being asked.',
  fields: {
    enabled: { type: 'boolean', doc: 'Whether keys are rotated by interval and count.' },
    interval: { type: 'duration', doc: 'Time between rotations; 0 is never.' },
    max_operations: { type: 'integer', doc: 'Encryptions under one key.' },
  },
  on: { read: readConfig, update: writeConfig },
};

export const sealPaths: readonly PathSpec[] = [
  {
    pattern: 'seal',
    synopsis: 'Wipe all keys from memory. Needs shares or the seal to answer again.',
    sudo: true,
    on: { update: (call) => ({ after: () => call.core.sys.seal() }) },
  },
  {
    pattern: 'step-down',
    synopsis: 'Replicas are equal: there is no leadership to give up.',
    sudo: true,
    on: { update: () => ({}) },
  },
  {
    pattern: 'key-status',
    synopsis: 'The key that new records are encrypted under, of the system or of an environment.',
    on: {
      read: prepared({
        prepare: (call) =>
          call.core.sys.keyStatus(scopeOfEnvironment(call.request.query['environment'] ?? 'system')),
        decide: (_call, status) => keyStatusReply(status),
      }),
    },
  },
  {
    pattern: 'rotate',
    synopsis: 'New keys for new records; old records stay readable.',
    sudo: true,
    on: { update: rotate },
  },
  { pattern: 'rotate/keyring', synopsis: 'The same as rotate.', sudo: true, on: { update: rotate } },
  { pattern: 'rotate/config', ...rotationConfig },
  { pattern: 'rotate/keyring/config', ...rotationConfig },
];

function keyStatusReply({ term, installedAt, encryptions }: KeyStatus): Reply {
  return { data: { term, install_time: new Date(installedAt).toISOString(), encryptions }, flat: true };
}

function readConfig(call: Call): Reply {
  const { enabled, interval, maxOperations } = rotationConfigOf(call.turn);
  return { data: { enabled, interval, max_operations: maxOperations } };
}

function writeConfig(call: Call): Reply {
  const { fields, turn } = call;
  const before = rotationConfigOf(turn);
  const after: RotationConfig = {
    enabled: fields.boolean('enabled', before.enabled),
    interval: fields.seconds('interval', before.interval),
    maxOperations: fields.integer('max_operations', before.maxOperations),
  };
  if (after.interval !== 0 && after.interval < leastInterval) {
    throw badRequest('interval must be greater or equal to 24h0m0s');
  }
  if (after.maxOperations < leastOperations || after.maxOperations > mostOperations) {
    throw badRequest(`max_operations must be in the range [${leastOperations},${mostOperations}]`);
  }
  turn.space('system').write(recordPath, codec, after);
  return {};
}
