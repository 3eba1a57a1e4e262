import { hostname } from 'node:os';
import type { Config } from '#platform';
import type { AuditSettings } from '#vault';

/** What the configuration says about audit devices, and what this process lends them. */
export function auditSettingsOf(config: Config): AuditSettings {
  return {
    devices: config.auditDevices,
    api: { directories: config.auditApiDirectories, addresses: config.auditApiAddresses },
    keyFiles: config.auditWebhookKeys,
    fetch,
    stdout: process.stdout,
    hostname: hostname(),
    processId: process.pid,
  };
}
