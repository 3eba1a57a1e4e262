import type { Turn } from '#journal';
import { createAuditSalt, makeAuditSalt } from '../audit/salt.ts';
import type { Core } from '../core.ts';
import { jsonCodec } from '../records.ts';
import type { AuditDevice } from './ports.ts';

/**
 * Devices that were enabled through the API: records, so that they are the same on all replicas and after a restart.
 * The supervisor of devices follows them; see `Sys.audit.changed`.
 */
export interface KeptDevice extends AuditDevice {
  /** Base64. It goes with the device: what was hashed under it cannot be searched for any more, as in Vault. */
  readonly salt: string;
}

const directory = 'core/audit/';
// Whoever knows the salt can guess what was hashed, so it does not stay in memory in the clear.
const codec = jsonCodec<KeptDevice>(false);

export function auditDevices(turn: Turn): readonly KeptDevice[] {
  const space = turn.space('system');
  return space.list(directory).flatMap((name) => space.read(directory + name, codec) ?? []);
}

export function findDevice(turn: Turn, path: string): KeptDevice | undefined {
  return turn.space('system').read(recordPath(path), codec);
}

export function addDevice(turn: Turn, core: Core, device: AuditDevice): void {
  const salt = Buffer.from(makeAuditSalt(core.random)).toString('base64');
  turn.space('system').write(recordPath(device.path), codec, { ...device, salt });
}

export function deleteDevice(turn: Turn, path: string): void {
  turn.space('system').delete(recordPath(path));
}

/** What `input` is in the lines of a device. */
export function hashFor(device: KeptDevice, input: string): string {
  const bytes = Buffer.from(device.salt, 'base64');
  const salt = createAuditSalt(bytes);
  try {
    return salt.hash(input);
  } finally {
    salt.wipe();
    bytes.fill(0);
  }
}

function recordPath(path: string): string {
  return directory + encodeURIComponent(path);
}
