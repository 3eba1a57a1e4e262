import type { Call, Reply } from '../backend.ts';
import { badRequest } from '../errors.ts';
import type { JsonObject } from '../fields.ts';
import { changeMount } from '../mounts/change.ts';
import { defaultTtlOf, type Mount, maxTtlOf, scopeOfEnvironment } from '../mounts/mount.ts';
import { optionsOf, settingsAfter } from '../mounts/settings.ts';
import { below } from '../records.ts';
import { requireVersion } from './mount-input.ts';

/** The settings in force: where a mount leaves a TTL to the installation, the installation's. */
export function tuningOf(mount: Mount): JsonObject {
  const { config, options } = mount;
  const lists = {
    audit_non_hmac_request_keys: config.auditNonHmacRequestKeys,
    audit_non_hmac_response_keys: config.auditNonHmacResponseKeys,
    passthrough_request_headers: config.passthroughRequestHeaders,
    allowed_response_headers: config.allowedResponseHeaders,
  };
  return {
    description: mount.description,
    default_lease_ttl: Math.min(defaultTtlOf(mount), maxTtlOf(mount)),
    max_lease_ttl: maxTtlOf(mount),
    force_no_cache: config.forceNoCache,
    ...(mount.kind === 'auth' ? { token_type: config.tokenType || 'default-service' } : {}),
    ...(config.listingVisibility === '' ? {} : { listing_visibility: config.listingVisibility }),
    ...Object.fromEntries(Object.entries(lists).filter(([, values]) => values.length > 0)),
    ...(Object.keys(options).length === 0 ? {} : { options }),
  };
}

export function tuneMount(call: Call, mount: Mount): Reply {
  const { fields } = call;
  const given = optionsOf(fields);
  if (given['environment'] !== undefined && given['environment'] !== mount.environment) {
    throw badRequest('expected the environment to stay: its records are under the key of the one it has');
  }
  const version = given['version'];
  if (version !== undefined && version !== mount.options['version'])
    requireVersionChange(call, mount, version);
  const { environment: _same, ...options } = { ...mount.options, ...given };
  changeMount(call.turn, {
    ...mount,
    description: fields.findText('description') ?? mount.description,
    options,
    config: settingsAfter(mount.config, fields, mount.kind),
  });
  return {};
}

/**
 * Versions of kv keep their records differently. Vault moves them while requests wait; here a mount changes its version
 * only while it holds nothing.
 */
function requireVersionChange(call: Call, mount: Mount, version: string): void {
  requireVersion(mount.type, version);
  const now = mount.options['version'] ?? '1';
  if (version === now) return;
  if (version < now) throw badRequest(`cannot downgrade mount from version ${now}`);
  const records = below(call.turn.space(scopeOfEnvironment(mount.environment)), `mount/${mount.id}/`);
  if (records.list('').length > 0) {
    throw badRequest(
      'expected a mount without secrets to change its version; mount version 2 elsewhere and copy them',
    );
  }
}
