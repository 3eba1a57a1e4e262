import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { Fault, SecretBytes } from '@sallyport/formats';
import { mountPath } from '../mounts/paths.ts';
import type { AuditDevice } from '../sys/ports.ts';
import { type ApiDevices, type DeviceSpec, parseDevice } from './devices/declare.ts';
import { deviceRefused } from './devices/device.ts';

/** What the operator says about audit devices, and what they are made with. */
export interface AuditSettings {
  /** Declared in the configuration. The API shows them, and cannot change them. */
  readonly devices: ReadonlyArray<Pick<AuditDevice, 'path' | 'type' | 'description' | 'options'>>;
  /** What the API may enable. */
  readonly api: ApiDevices;
  /** Files with the keys that sign deliveries to webhooks, by name. */
  readonly keyFiles: Readonly<Record<string, string>>;
  readonly fetch: typeof fetch;
  readonly stdout: Writable;
  readonly hostname: string;
  readonly processId: number;
}

export interface ConfiguredDevice {
  readonly device: AuditDevice;
  readonly spec: DeviceSpec;
}

/** Under this path `sys/audit` shows what every request is written to before anything else: the journal. */
export const ledgerPath = 'ledger/';

const maxConfigured = 16;
const keyBytes = { least: 16, most: 4096 };

/**
 * The devices of the configuration. Throws `vault.audit_option` and its like for one that is not right: a server whose
 * operator asked for a log that it will not write must not start.
 */
export function configuredDevices({ devices, keyFiles }: AuditSettings): readonly ConfiguredDevice[] {
  if (devices.length > maxConfigured) {
    throw deviceRefused('option', `expected at most ${maxConfigured} audit devices, got ${devices.length}`);
  }
  const paths: string[] = [ledgerPath];
  return devices.map((declared) => {
    const device = { ...declared, path: mountPath(declared.path), local: false };
    const taken = paths.find((path) => overlap(path, device.path));
    if (taken !== undefined) {
      throw deviceRefused('option', `expected each audit device at a path of its own, got "${taken}" twice`);
    }
    paths.push(device.path);
    const spec = parseDevice(device.type, device.options, 'configuration');
    if (spec.target.type === 'webhook') readKey(keyFiles, spec.target.keyName).wipe();
    return { device, spec };
  });
}

export function overlap(one: string, other: string): boolean {
  return one.startsWith(other) || other.startsWith(one);
}

/** The key of that name, read anew each time, so that a changed file counts when its device is opened again. */
export function readKey(keyFiles: AuditSettings['keyFiles'], name: string): SecretBytes {
  const file = Object.hasOwn(keyFiles, name) ? keyFiles[name] : undefined;
  if (file === undefined) {
    throw deviceRefused(
      'key',
      `expected a key of the configuration for a webhook, got the name "${name.slice(0, 100)}"`,
      'name its file under audit_webhook_keys',
    );
  }
  let descriptor: number;
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw badKey(`a file that can be read at "${file}"`, cause);
  }
  try {
    const facts = fstatSync(descriptor);
    if (!facts.isFile() || facts.size < keyBytes.least || facts.size > keyBytes.most) {
      throw badKey(`a file of ${keyBytes.least} to ${keyBytes.most} bytes at "${file}"`);
    }
    if ((facts.mode & 0o077) !== 0) throw badKey(`a file that only its owner may read at "${file}"`);
    const bytes = readFileSync(descriptor);
    // An editor ends a file with a newline, which nobody means to be of the key.
    const key = SecretBytes.from(bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes);
    bytes.fill(0);
    return key;
  } finally {
    closeSync(descriptor);
  }
}

function badKey(expected: string, cause?: unknown): Fault {
  return new Fault('invalid', 'vault.audit_key', `expected the key of an audit webhook in ${expected}`, {
    hint: 'a random text made with: openssl rand -hex 32',
    ...(cause === undefined ? {} : { cause }),
  });
}
