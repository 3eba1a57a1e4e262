import { badRequest } from '../errors.ts';
import { createFields, type Fields, type JsonObject } from '../fields.ts';
import { type Mount, type MountConfig, systemMaxTtlSeconds } from './mount.ts';

const visibilities = new Set(['', 'unauth', 'hidden']);
const tokenTypes = new Set(['', 'default', 'default-service', 'default-batch', 'service', 'batch']);

/** The settings of a mount after the fields of `config` or of a tune request; absent ones stay as they are. */
export function settingsAfter(before: MountConfig, fields: Fields, kind: Mount['kind']): MountConfig {
  const listingVisibility = fields.findText('listing_visibility') ?? before.listingVisibility;
  if (!visibilities.has(listingVisibility))
    throw badRequest(`invalid listing_visibility ${quoted(listingVisibility)}`);
  const tokenType = fields.findText('token_type') ?? before.tokenType;
  if (tokenType !== before.tokenType && kind !== 'auth') {
    throw badRequest(`'token_type' can only be modified on auth mounts`);
  }
  if (!tokenTypes.has(tokenType)) throw badRequest(`invalid value for 'token_type': ${quoted(tokenType)}`);
  const after: MountConfig = {
    defaultLeaseTtl: ttl(fields, 'default_lease_ttl') ?? before.defaultLeaseTtl,
    maxLeaseTtl: ttl(fields, 'max_lease_ttl') ?? before.maxLeaseTtl,
    forceNoCache: fields.findBoolean('force_no_cache') ?? before.forceNoCache,
    tokenType,
    listingVisibility,
    auditNonHmacRequestKeys: fields.findList('audit_non_hmac_request_keys') ?? before.auditNonHmacRequestKeys,
    auditNonHmacResponseKeys:
      fields.findList('audit_non_hmac_response_keys') ?? before.auditNonHmacResponseKeys,
    passthroughRequestHeaders:
      fields.findList('passthrough_request_headers') ?? before.passthroughRequestHeaders,
    allowedResponseHeaders: fields.findList('allowed_response_headers') ?? before.allowedResponseHeaders,
  };
  if (after.defaultLeaseTtl > (after.maxLeaseTtl || systemMaxTtlSeconds)) {
    throw badRequest(
      after.maxLeaseTtl === 0
        ? `given default lease TTL greater than system max lease TTL of ${systemMaxTtlSeconds}`
        : 'given default lease TTL greater than given max lease TTL',
    );
  }
  return after;
}

/** `options` as texts, without those a client sent as null. */
export function optionsOf(fields: Fields): Readonly<Record<string, string>> {
  const raw = fields.object('options') ?? {};
  const given: JsonObject = Object.fromEntries(Object.entries(raw).filter(([, value]) => value !== null));
  return createFields({ options: given }).map('options');
}

/** "system" is what clients send for the installation's own default. */
function ttl(fields: Fields, name: string): number | undefined {
  return fields.find(name) === 'system' ? 0 : fields.findSeconds(name);
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
