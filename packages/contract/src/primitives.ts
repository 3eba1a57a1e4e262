import { type Static, Type } from 'typebox';

/** Building blocks of every schema: each string, list and number has an upper bound. */

export const Digest = Type.String({
  pattern: '^sha256:[0-9a-f]{64}$',
  description: 'SHA-256 digest in OCI form',
});
export type DigestText = Static<typeof Digest>;

export const Name = Type.String({
  pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
  description: 'lower case letters, digits and inner dashes, at most 63',
});

export const Id = Type.String({ pattern: '^[a-z]{2,8}_[0-9a-f-]{36}$' });

export const Instant = Type.String({
  pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,9})?Z$',
  description: 'RFC 3339 in UTC',
});

/** A duration as people write it: `90s`, `15m`, `72h`, `7d`. */
export const Duration = Type.String({ pattern: '^[0-9]{1,6}(s|m|h|d)$' });

export const Text = (maxLength: number) => Type.String({ maxLength });

export const Base64 = (maxBytes: number) =>
  Type.String({ maxLength: Math.ceil(maxBytes / 3) * 4, pattern: '^[A-Za-z0-9+/]*={0,2}$' });

/** A host and port a step or service may reach: `api.example.com:443`. */
export const HostPort = Type.String({ pattern: '^[A-Za-z0-9.-]{1,253}:[0-9]{1,5}$' });

/** `path/of/secret#key`, within one environment's mount. */
export const SecretRef = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._/-]{0,254}#[A-Za-z0-9._-]{1,64}$',
});

export const TrustLevel = Type.Union([Type.Literal('trusted'), Type.Literal('untrusted')]);
export type TrustLevel = Static<typeof TrustLevel>;
