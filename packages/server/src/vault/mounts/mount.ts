import type { JsonObject } from '../fields.ts';

/** A backend at a path. `id` never changes: its records are below it, wherever the mount is moved. */
export interface Mount {
  readonly id: string;
  /** With a slash at its end; a login method's begins with `auth/`. */
  readonly path: string;
  readonly kind: 'secret' | 'auth' | 'system';
  readonly type: string;
  /** Names this mount in entity aliases and in templates of policies. */
  readonly accessor: string;
  readonly description: string;
  /** `project/environment`, whose key its records are under; `system` for what belongs to the installation. */
  readonly environment: string;
  readonly options: Readonly<Record<string, string>>;
  readonly config: MountConfig;
  readonly local: boolean;
  readonly sealWrap: boolean;
}

export interface MountConfig {
  /** Seconds; 0 is the installation's default. */
  readonly defaultLeaseTtl: number;
  readonly maxLeaseTtl: number;
  readonly forceNoCache: boolean;
  readonly tokenType: string;
  readonly listingVisibility: string;
  readonly auditNonHmacRequestKeys: readonly string[];
  readonly auditNonHmacResponseKeys: readonly string[];
  readonly passthroughRequestHeaders: readonly string[];
  readonly allowedResponseHeaders: readonly string[];
}

export const systemEnvironment = 'system';

/** 32 days, as every client of Vault expects. */
export const systemMaxTtlSeconds = 2_764_800;

export function defaultTtlOf(mount: Mount): number {
  return mount.config.defaultLeaseTtl || systemMaxTtlSeconds;
}

export function maxTtlOf(mount: Mount): number {
  return mount.config.maxLeaseTtl || systemMaxTtlSeconds;
}

/** The scope of the keyring that the mount's records are under. */
export function scopeOfEnvironment(environment: string): string {
  return environment === systemEnvironment ? 'system' : `env:${environment}`;
}

export function isVersionedKv(mount: Mount): boolean {
  return mount.type === 'kv' && mount.options['version'] === '2';
}

/** Under which name the engine or method of a mount is known: versioned and plain `kv` are two of them. */
export function backendNameOf(mount: Mount): string {
  return isVersionedKv(mount) ? 'kv-v2' : mount.type;
}

/** As `sys/mounts` shows it. */
export function describeMount(mount: Mount): JsonObject {
  const { config } = mount;
  return {
    accessor: mount.accessor,
    config: {
      default_lease_ttl: config.defaultLeaseTtl,
      force_no_cache: config.forceNoCache,
      max_lease_ttl: config.maxLeaseTtl,
      ...(mount.kind === 'auth' ? { token_type: config.tokenType || 'default-service' } : {}),
      ...(config.listingVisibility === '' ? {} : { listing_visibility: config.listingVisibility }),
      ...listed('audit_non_hmac_request_keys', config.auditNonHmacRequestKeys),
      ...listed('audit_non_hmac_response_keys', config.auditNonHmacResponseKeys),
      ...listed('passthrough_request_headers', config.passthroughRequestHeaders),
      ...listed('allowed_response_headers', config.allowedResponseHeaders),
    },
    deprecation_status: 'supported',
    description: mount.description,
    environment: mount.environment,
    external_entropy_access: false,
    local: mount.local,
    options: Object.keys(mount.options).length === 0 ? null : mount.options,
    plugin_version: '',
    running_plugin_version: '',
    running_sha256: '',
    seal_wrap: mount.sealWrap,
    type: mount.type,
    uuid: mount.id,
  };
}

function listed(name: string, values: readonly string[]): JsonObject {
  return values.length === 0 ? {} : { [name]: values };
}
