import { tufKey, tufKeyId } from './key.ts';
import type { TufDelegation, TufRoot } from './metadata.ts';

/** What a root says, keys as SubjectPublicKeyInfo. */
export interface TufRootParts {
  readonly version: number;
  /** To the second. */
  readonly expires: Date;
  /** Those who decide about every other key; `threshold` of them have to sign. */
  readonly rootKeys: readonly Uint8Array[];
  readonly threshold: number;
  readonly targetsKey: Uint8Array;
  /** Of snapshot and timestamp. */
  readonly onlineKey: Uint8Array;
}

/** The payload of a `root.json`, to be signed by a threshold of its keys and of those of the root before it. */
export function tufRoot(parts: TufRootParts): TufRoot {
  const keys = [...parts.rootKeys, parts.targetsKey, parts.onlineKey].map(tufKey);
  const delegation = (spkis: readonly Uint8Array[], threshold: number): TufDelegation => ({
    keyids: spkis.map((spki) => tufKeyId(tufKey(spki))),
    threshold,
  });
  return {
    _type: 'root',
    spec_version: '1.0.31',
    version: parts.version,
    expires: `${parts.expires.toISOString().slice(0, 19)}Z`,
    consistent_snapshot: true,
    keys: Object.fromEntries(keys.map((key) => [tufKeyId(key), key])),
    roles: {
      root: delegation(parts.rootKeys, parts.threshold),
      targets: delegation([parts.targetsKey], 1),
      snapshot: delegation([parts.onlineKey], 1),
      timestamp: delegation([parts.onlineKey], 1),
    },
  };
}
