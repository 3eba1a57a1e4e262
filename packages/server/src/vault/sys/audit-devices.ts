import { recordAt, type Turn } from '#journal';
import { makeAuditSalt } from '../audit/salt.ts';
import type { Core } from '../core.ts';
import { jsonCodec } from '../records.ts';
import type { AuditDevice, KeptDevice } from './ports.ts';

// Records, so that devices are the same on all replicas and after a restart. audit/registry.ts follows them.

const record = recordAt('core/audit-devices');
const codec = jsonCodec<readonly KeptDevice[]>(true);
const none: readonly KeptDevice[] = [];

/** The same object while nothing changes. */
export function auditDevices(turn: Turn): readonly KeptDevice[] {
  return turn.space('system').read(record, codec) ?? none;
}

export function findDevice(turn: Turn, path: string): KeptDevice | undefined {
  return auditDevices(turn).find((device) => device.path === path);
}

export function addDevice(turn: Turn, core: Core, device: AuditDevice): void {
  const id = core.uuid();
  // Whoever knows the salt can guess what was hashed, so it stands apart and is opened for those who hash only.
  turn.space('system').put(saltPath(id), Buffer.from(makeAuditSalt(core.random)));
  turn.space('system').write(record, codec, [...auditDevices(turn), { ...device, id }]);
}

/** The salt goes with the device: what was hashed under it cannot be searched for any more, as in Vault. */
export function deleteDevice(turn: Turn, { id }: KeptDevice): void {
  turn.space('system').delete(saltPath(id));
  const left = auditDevices(turn).filter((device) => device.id !== id);
  turn.space('system').write(record, codec, left);
}

/** In the clear, for the caller to wipe. */
export function saltOf(turn: Turn, { id }: KeptDevice): Buffer | undefined {
  return turn.space('system').get(saltPath(id));
}

function saltPath(id: string): string {
  return `core/audit-salts/${id}`;
}
