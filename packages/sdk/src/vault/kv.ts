import { Fault, type SecretBytes } from '@sallyport/formats';
import { type Answer, unexpected } from './answer.ts';
import { type JsonPart, jsonOf } from './json-write.ts';
import type { KvPlace, Mounts } from './mounts.ts';
import { secretFrom, type VaultSecret } from './secret.ts';
import type { Session } from './session.ts';

export interface SecretMetadata {
  readonly currentVersion: number;
  readonly oldestVersion: number;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** 0: as the mount says. */
  readonly maxVersions: number;
  readonly casRequired: boolean;
  readonly custom: Readonly<Record<string, string>>;
  readonly versions: ReadonlyArray<{
    readonly version: number;
    readonly createdAt: string;
    /** Empty while it is there. */
    readonly deletedAt: string;
    readonly destroyed: boolean;
  }>;
}

/** Values by name, or the JSON of an object, whose values may be anything. */
export type NewSecret = Readonly<Record<string, SecretBytes>> | { readonly json: Uint8Array };

/** Secrets as `vault kv` names them: `secret/app`, whether the mount keeps versions or not. */
export interface Kv {
  read(
    path: string,
    version?: number,
  ): Promise<{ readonly secret: VaultSecret; readonly leaseSeconds: number }>;
  /** All of it anew; with `cas` only when that version is current (0: none yet). */
  write(path: string, data: NewSecret, cas?: number): Promise<{ readonly version: number | undefined }>;
  /** Only these names; the others stay. Versioned mounts only. */
  patch(path: string, data: NewSecret, cas?: number): Promise<{ readonly version: number }>;
  /** Names below a path; those that end in a slash have more below them. */
  list(path: string): Promise<readonly string[]>;
  /** The current version, or these; it can be undeleted where there are versions. */
  delete(path: string, versions?: readonly number[]): Promise<void>;
  undelete(path: string, versions: readonly number[]): Promise<void>;
  /** For ever. */
  destroy(path: string, versions: readonly number[]): Promise<void>;
  metadata(path: string): Promise<SecretMetadata>;
  /** All versions and what is known about them, for ever. */
  deleteAll(path: string): Promise<void>;
  place(path: string): Promise<KvPlace>;
}

export function createKv(session: Session, mounts: Mounts): Kv {
  const at = ({ mount, path, versioned }: KvPlace, part: string): string =>
    [mount, ...(versioned ? [part] : []), ...(path === '' ? [] : [path])].join('/');

  async function versionedPlace(path: string): Promise<KvPlace> {
    const place = await mounts.find(path);
    if (place.versioned) return place;
    throw new Fault(
      'invalid',
      'vault.no_versions',
      `expected a mount with versions, ${place.mount}/ has none`,
      {
        hint: 'read it and write all of it',
      },
    );
  }

  async function done(call: Parameters<Session['send']>[0]): Promise<void> {
    (await session.send(call)).wipe();
  }

  async function put(
    method: 'POST' | 'PATCH',
    place: KvPlace,
    data: NewSecret,
    cas?: number,
  ): Promise<Answer> {
    const json = isJson(data) ? data.json : jsonOf(texts(data));
    const parts: Record<string, JsonPart> = { data: { json } };
    if (cas !== undefined) parts['options'] = { json: Buffer.from(JSON.stringify({ cas })) };
    const body = place.versioned ? jsonOf(parts) : Buffer.from(json);
    try {
      return await session.send({ method, path: at(place, 'data'), body });
    } finally {
      body.fill(0);
      if (!isJson(data)) json.fill(0);
    }
  }

  const versionOf = (answer: Answer, path: string): number => {
    const version = answer.number('data', 'version');
    answer.wipe();
    if (version === undefined) throw unexpected('data.version', path);
    return version;
  };

  const mark = (what: string) => async (path: string, versions: readonly number[]) =>
    await done({ method: 'POST', path: at(await versionedPlace(path), what), body: { versions } });

  return {
    place: (path) => mounts.find(path),
    async read(path, version) {
      const place = await mounts.find(path);
      if (version !== undefined && !place.versioned) await versionedPlace(path);
      const answer = await session.send({
        method: 'GET',
        path: at(place, 'data'),
        query: version === undefined ? {} : { version: String(version) },
        accept: [404],
      });
      try {
        if (answer.status === 404) throw gone(answer, path, version);
        const found = place.versioned ? answer.find('data', 'data') : answer.find('data');
        if (found?.kind !== 'object') throw unexpected('an object of values', path);
        const current = place.versioned ? answer.number('data', 'metadata', 'version') : undefined;
        return {
          secret: secretFrom(answer, found, current),
          leaseSeconds: answer.number('lease_duration') ?? 0,
        };
      } finally {
        answer.wipe();
      }
    },
    async write(path, data, cas) {
      const place = cas === undefined ? await mounts.find(path) : await versionedPlace(path);
      const answer = await put('POST', place, data, cas);
      return { version: place.versioned ? versionOf(answer, path) : undefined };
    },
    async patch(path, data, cas) {
      return { version: versionOf(await put('PATCH', await versionedPlace(path), data, cas), path) };
    },
    async list(path) {
      const place = await mounts.find(path);
      const asked = {
        method: 'GET',
        path: at(place, 'metadata'),
        query: { list: 'true' },
        accept: [404],
      } as const;
      const answer = await session.send(asked);
      const keys = answer.plain('data', 'keys');
      answer.wipe();
      return Array.isArray(keys) ? keys.filter((key): key is string => typeof key === 'string') : [];
    },
    async delete(path, versions) {
      if (versions === undefined) {
        await done({ method: 'DELETE', path: at(await mounts.find(path), 'data') });
      } else {
        await mark('delete')(path, versions);
      }
    },
    undelete: mark('undelete'),
    destroy: mark('destroy'),
    async metadata(path) {
      const place = await versionedPlace(path);
      const answer = await session.send({ method: 'GET', path: at(place, 'metadata') });
      return metadataOf(answer, path);
    },
    async deleteAll(path) {
      await done({ method: 'DELETE', path: at(await versionedPlace(path), 'metadata') });
    },
  };
}

const isJson = (data: NewSecret): data is { readonly json: Uint8Array } => data['json'] instanceof Uint8Array;

const texts = (data: Readonly<Record<string, SecretBytes>>): Record<string, JsonPart> =>
  Object.fromEntries(Object.entries(data).map(([name, text]) => [name, { text }]));

function gone(answer: Answer, path: string, version: number | undefined): Fault {
  const which = answer.number('data', 'metadata', 'version');
  const details = { status: 404, path };
  if (which !== undefined) {
    const destroyed = answer.flag('data', 'metadata', 'destroyed');
    return new Fault(
      'not_found',
      destroyed ? 'vault.destroyed' : 'vault.deleted',
      `version ${which} of ${path} was ${destroyed ? 'destroyed' : 'deleted'}`,
      { details, ...(destroyed ? {} : { hint: `sally kv undelete brings it back` }) },
    );
  }
  const what = version === undefined ? path : `version ${version} of ${path}`;
  return new Fault('not_found', 'vault.not_found', `nothing is at ${what}`, { details });
}

function metadataOf(answer: Answer, path: string): SecretMetadata {
  const found = answer.find('data');
  if (found?.kind !== 'object') throw unexpected('data', path);
  const text = (...names: readonly string[]): string => answer.text('data', ...names) ?? '';
  const number = (name: string): number => answer.number('data', name) ?? 0;
  const custom = [...(answer.find('data', 'custom_metadata')?.members.keys() ?? [])];
  const versions = [...(answer.find('data', 'versions')?.members.keys() ?? [])];
  return {
    currentVersion: number('current_version'),
    oldestVersion: number('oldest_version'),
    createdAt: text('created_time'),
    updatedAt: text('updated_time'),
    maxVersions: number('max_versions'),
    casRequired: answer.flag('data', 'cas_required'),
    custom: Object.fromEntries(custom.map((name) => [name, text('custom_metadata', name)])),
    versions: versions.map((version) => ({
      version: Number(version),
      createdAt: text('versions', version, 'created_time'),
      deletedAt: text('versions', version, 'deletion_time'),
      destroyed: answer.flag('data', 'versions', version, 'destroyed'),
    })),
  };
}
