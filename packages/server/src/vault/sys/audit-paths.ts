import { ledgerPath, overlap } from '../audit/settings.ts';
import { type Call, type PathSpec, prepared, type Reply } from '../backend.ts';
import { badRequest } from '../errors.ts';
import type { JsonObject } from '../fields.ts';
import { mountPath } from '../mounts/paths.ts';
import { optionsOf } from '../mounts/settings.ts';
import { addDevice, auditDevices, deleteDevice, findDevice } from './audit-devices.ts';
import type { AuditDevice } from './ports.ts';

/** Each costs every request its own hashes of all values. */
const maxDevices = 8;

/** Devices that get a copy of the audit, and the ledger, which all of it is written to and which cannot be disabled. */
export const auditPaths: readonly PathSpec[] = [
  {
    pattern: 'audit',
    synopsis: 'List the audit devices.',
    sudo: true,
    on: { read: list },
  },
  {
    pattern: 'audit/:path*',
    synopsis: 'Enable or disable an audit device.',
    sudo: true,
    fields: {
      type: { type: 'string', doc: 'file, syslog, socket or webhook.' },
      description: { type: 'string', doc: 'For people.' },
      options: { type: 'map', doc: 'Options of the type, such as file_path.' },
      local: { type: 'boolean', doc: 'Kept, and without a meaning here.' },
    },
    on: {
      update: prepared({
        // A file that cannot be written is found before the device is there, and not by the next request.
        prepare: (call) => call.core.audit.probe(deviceOf(call)),
        decide: enable,
      }),
      delete: disable,
    },
  },
  {
    pattern: 'audit-hash/:path*',
    synopsis: 'What a text looks like in the lines of a device, to search for it.',
    fields: { input: { type: 'string', doc: 'The text.' } },
    on: { update: hash },
  },
];

function list(call: Call): Reply {
  const all = [...call.core.audit.configured(), ...auditDevices(call.turn)];
  return { data: Object.fromEntries(all.map((device) => [device.path, describe(device)])), flat: true };
}

function describe({ path, type, description, options, local }: AuditDevice): JsonObject {
  return { path, type, description, options, local };
}

function enable(call: Call): Reply {
  const { core, turn } = call;
  const device = deviceOf(call);
  const kept = auditDevices(turn);
  const taken = [...core.audit.configured(), ...kept].find(({ path }) => overlap(path, device.path));
  if (taken !== undefined) throw badRequest(`path already in use: ${taken.path}`);
  if (kept.length >= maxDevices) throw badRequest(`expected at most ${maxDevices} audit devices`);
  addDevice(turn, core, device);
  return { after: () => core.audit.changed() };
}

function disable(call: Call): Reply {
  const { core, turn } = call;
  const path = mountPath(call.params['path'] ?? '');
  if (path === ledgerPath) throw badRequest('cannot disable the audit of the ledger');
  if (core.audit.configured().some((device) => device.path === path)) {
    throw badRequest('cannot disable configuration-managed audit device');
  }
  const device = findDevice(turn, path);
  if (device === undefined) return {};
  deleteDevice(turn, device);
  return { after: () => core.audit.changed() };
}

function hash(call: Call): Reply {
  const path = mountPath(call.params['path'] ?? '');
  const input = call.fields.text('input');
  if (input === '') throw badRequest('the "input" parameter is empty');
  const device = findDevice(call.turn, path);
  const { audit } = call.core;
  const hashed = device === undefined ? audit.hash(path, input) : audit.hashKept(call.turn, device, input);
  if (hashed === undefined) throw badRequest(`unknown audit backend "${path}"`);
  return { data: { hash: hashed }, flat: true };
}

function deviceOf(call: Call): AuditDevice {
  const { fields } = call;
  return {
    path: mountPath(call.params['path'] ?? ''),
    type: fields.required('type'),
    description: fields.text('description'),
    options: optionsOf(fields),
    local: fields.boolean('local', false),
  };
}
