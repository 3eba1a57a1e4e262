import { SecretBytes } from '@sallyport/formats';
import type { Answer } from './answer.ts';
import type { JsonPlace } from './json-bytes.ts';

/** What is kept at a path. The caller owns it, and wipes it when it is done. */
export interface VaultSecret {
  /** Undefined where secrets have no versions (KV version 1). */
  readonly version: number | undefined;
  /** By name: of a text what it says, in UTF-8; of anything else its JSON. */
  readonly data: Readonly<Record<string, SecretBytes>>;
  /** The JSON of all of it, as it is kept. */
  readonly json: SecretBytes;
  /** No server answered, and this is what one said before. */
  readonly stale: boolean;
  wipe(): void;
}

export function secretFrom(answer: Answer, place: JsonPlace, version: number | undefined): VaultSecret {
  const data = [...place.members].map(([name, member]) => [name, answer.secret(member)] as const);
  return secretOf(version, Object.fromEntries(data), answer.raw(place), false);
}

export function copyOf({ version, data, json }: VaultSecret, stale: boolean): VaultSecret {
  const copies = Object.entries(data).map(
    ([name, value]) => [name, SecretBytes.from(value.expose())] as const,
  );
  return secretOf(version, Object.fromEntries(copies), SecretBytes.from(json.expose()), stale);
}

function secretOf(
  version: number | undefined,
  data: Readonly<Record<string, SecretBytes>>,
  json: SecretBytes,
  stale: boolean,
): VaultSecret {
  return {
    version,
    data,
    json,
    stale,
    wipe() {
      json.wipe();
      for (const value of Object.values(data)) value.wipe();
    },
  };
}
