import { isFault } from '@sallyport/formats';
import { badRequest } from '../errors.ts';
import type { AuditDevices } from '../sys/ports.ts';
import { type ApiDevices, parseDevice } from './devices/declare.ts';
import { systemCode } from './devices/device.ts';
import { type OpenDeps, openDevice } from './devices/open.ts';
import { jsonText } from './json-text.ts';

/** Writes one line to a device that shall be enabled, so that whoever asks for it hears why it does not work. */
export function createProbe(api: ApiDevices, deps: OpenDeps): AuditDevices['probe'] {
  return async ({ path, type, options }) => {
    const { target } = parseDevice(type, options, api);
    const time = deps.clock.now().toISOString();
    try {
      const device = await openDevice(target, deps);
      try {
        await device.write([Buffer.from(`{"time":"${time}","type":"probe","device":${jsonText(path)}}\n`)]);
      } finally {
        await device.close();
      }
    } catch (error) {
      if (!isFault(error) || error.kind !== 'unavailable') throw error;
      // The name of the system's error helps an administrator; what else a cause says stays inside.
      const code = systemCode(error.cause);
      throw badRequest(`${error.message}${code === '' ? '' : ` (${code})`}`);
    }
  };
}
