import { Fault, isFault, type SecretBytes } from '@sallyport/formats';
import { RawJson } from '../audit/json-walk.ts';
import type { Call } from '../backend.ts';
import { findMetadata, findValue, isDeleted, metadataDirectory } from '../kv/metadata.ts';
import { rawMember, rawMembers } from '../raw-member.ts';
import { walk } from '../records.ts';
import type { AskEngine } from './ask.ts';
import type { NativeActor } from './caller.ts';
import { jsonOfValues, valuesOfJson } from './text.ts';

/** Where a secret is: the same place as `vault kv get -mount=<project>/<environment> <path>`. */
export interface NativePlace {
  /** `project/name`. */
  readonly environment: string;
  readonly path: string;
}

export interface NativeVersion {
  readonly version: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** The id of a native actor, or the display name of a Vault client's token; empty when it is not known. */
  readonly createdBy: string;
  /** Names, sorted. */
  readonly keys: readonly string[];
}

/**
 * The secrets of environments, for other contexts of the server. Whoever calls has authorised the actor. Every verb is
 * audited as a request of a Vault client would be, and resolves when that is durable; where there is nothing they
 * resolve with `undefined`. The mount of an environment is made by the first write; `vault.mount_taken` where it cannot.
 */
export interface NativeSecrets {
  /** The current version when none is named; the caller wipes what it gets. */
  read(
    by: NativeActor,
    at: NativePlace & { readonly version?: number },
  ): Promise<{ readonly version: number; readonly data: Readonly<Record<string, SecretBytes>> } | undefined>;
  /** Adds a version, if `cas` is the current one (0: none yet). The values stay the caller's. */
  write(
    by: NativeActor,
    at: NativePlace & { readonly data: Readonly<Record<string, SecretBytes>>; readonly cas?: number },
  ): Promise<{ readonly version: number } | { readonly conflictsWith: number }>;
  /** The names in the current version, without values. */
  keys(
    by: NativeActor,
    at: NativePlace,
  ): Promise<{ readonly version: number; readonly keys: readonly string[] } | undefined>;
  /** Versions that have a value, oldest first. */
  versions(by: NativeActor, at: NativePlace): Promise<readonly NativeVersion[] | undefined>;
  /** Paths that begin with `prefix`, in the order of their bytes. */
  list(
    by: NativeActor,
    at: { readonly environment: string; readonly prefix: string },
  ): Promise<ReadonlyArray<{ readonly path: string; readonly version: number }>>;
}

/** Refused by `write`, with the current version as a detail. */
const conflictCode = 'vault.cas_conflict';

export function createNativeSecrets(ask: AskEngine): NativeSecrets {
  return {
    read: async (by, { environment, path, version }) =>
      await ask(
        {
          by,
          environment,
          verb: 'read',
          path: `data/${path}`,
          query: version === undefined ? {} : { version: String(version) },
        },
        (reply) => (reply.data instanceof RawJson ? readOf(reply.data.bytes) : undefined),
        (taken) => {
          for (const value of Object.values(taken?.data ?? {})) value.wipe();
        },
      ),

    async write(by, { environment, path, data, cas }) {
      const json = jsonOfValues(data);
      const options = cas === undefined ? {} : { options: { cas } };
      const bodyBytes = Buffer.concat([Buffer.from('{"data":'), json, Buffer.from('}')]);
      try {
        const body = { data: new RawJson(json), ...options };
        const check = (call: Call) => requireCurrent(call, path, cas);
        const version = await ask(
          { by, environment, verb: 'update', path: `data/${path}`, body, bodyBytes, check },
          (_reply, call) => findMetadata(call.store, path)?.current,
        );
        if (version === undefined) throw new Fault('internal', 'vault.write_lost', 'a write gave no version');
        return { version };
      } catch (error) {
        if (!isFault(error) || error.code !== conflictCode) throw error;
        return { conflictsWith: Number(error.details['current']) };
      } finally {
        json.fill(0);
        bodyBytes.fill(0);
      }
    },

    keys: async (by, { environment, path }) =>
      await ask({ by, environment, verb: 'read', path: `metadata/${path}` }, (_reply, call) => {
        const current = findMetadata(call.store, path)?.current ?? 0;
        const keys = keysOf(call, path, current);
        return keys === undefined ? undefined : { version: current, keys };
      }),

    versions: async (by, { environment, path }) =>
      await ask({ by, environment, verb: 'read', path: `metadata/${path}` }, (_reply, call) =>
        Object.entries(findMetadata(call.store, path)?.versions ?? {}).flatMap(([number, facts]) => {
          const version = Number(number);
          const keys = keysOf(call, path, version);
          if (keys === undefined) return [];
          return [{ version, createdAt: facts.createdAt, createdBy: facts.createdBy ?? '', keys }];
        }),
      ),

    async list(by, { environment, prefix }) {
      const directory = prefix.slice(0, prefix.lastIndexOf('/') + 1);
      const found = await ask(
        { by, environment, verb: 'list', path: `metadata/${directory}`.slice(0, -1) },
        (_reply, call) =>
          [...walk(call.store, metadataDirectory + directory)].flatMap((record) => {
            const path = record.slice(metadataDirectory.length);
            const version = path.startsWith(prefix) ? (findMetadata(call.store, path)?.current ?? 0) : 0;
            return version === 0 ? [] : [{ path, version }];
          }),
      );
      return found ?? [];
    },
  };
}

function readOf(answer: Buffer) {
  const [value, metadata] = [rawMember(answer, 'data'), rawMember(answer, 'metadata')];
  if (value === undefined || metadata === undefined) return undefined;
  const { version } = JSON.parse(metadata.toString('utf8')) as { version: number };
  return { version, data: valuesOfJson(value) };
}

/** Before the engine looks at `cas` itself: it would not say which version is current. */
function requireCurrent(call: Call, path: string, cas: number | undefined): void {
  const current = findMetadata(call.store, path)?.current ?? 0;
  if (cas === undefined || cas === current) return;
  throw new Fault('conflict', conflictCode, `expected version ${cas} to be current, found ${current}`, {
    details: { current },
  });
}

/** The names in a version; `undefined` when it has no value any more. */
function keysOf(call: Call, path: string, version: number): readonly string[] | undefined {
  const facts = findMetadata(call.store, path)?.versions[version];
  if (facts === undefined || facts.destroyed || isDeleted(facts, call.now)) return undefined;
  const value = findValue(call.store, path, version);
  if (value === undefined) return undefined;
  try {
    return rawMembers(value)
      .map(({ name }) => name)
      .sort();
  } finally {
    value.fill(0);
  }
}
