import type { Writable } from 'node:stream';
import { assertNever, type SecretBytes } from '@sallyport/formats';
import type { Clock } from '#platform';
import type { DeviceTarget } from './declare.ts';
import type { Device } from './device.ts';
import { openFileDevice } from './file.ts';
import { createSocketDevice } from './socket.ts';
import { createStdoutDevice } from './stdout.ts';
import { createSyslogDevice } from './syslog.ts';
import { createWebhookDevice } from './webhook.ts';

export interface OpenDeps {
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  readonly stdout: Writable;
  readonly hostname: string;
  readonly processId: number;
  /** The key of that name in the configuration, as a copy that the device wipes. Throws when there is none. */
  readonly webhookKey: (name: string) => SecretBytes;
}

/** Four attempts with pauses of 0.5, 1 and 2 seconds; what is longer is the supervisor's patience. */
const webhookRetry = { attempts: 4, retryMs: 500 };

/** The device a declaration describes. Only a file is opened at once; the others connect at the first line. */
export async function openDevice(target: DeviceTarget, deps: OpenDeps): Promise<Device> {
  switch (target.type) {
    case 'file':
      if (target.path === 'stdout') return createStdoutDevice(deps.stdout, target.timeoutMs);
      return await openFileDevice(target);
    case 'socket':
      return createSocketDevice(target.address, target.timeoutMs);
    case 'syslog':
      return createSyslogDevice(
        { ...target, hostname: deps.hostname, processId: deps.processId },
        deps.clock,
      );
    case 'webhook':
      return createWebhookDevice(
        {
          url: target.url,
          key: deps.webhookKey(target.keyName),
          headers: {},
          timeoutMs: target.timeoutMs,
          ...webhookRetry,
        },
        deps,
      );
    default:
      return assertNever(target, 'type of audit device');
  }
}
