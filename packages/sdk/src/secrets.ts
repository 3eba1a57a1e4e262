import { fromBase64, SecretBytes, toBase64 } from '@sallyport/formats';
import { path, type Transport } from './transport.ts';

export interface SecretPlace {
  readonly project: string;
  readonly environment: string;
  readonly path: string;
}

export interface SecretsClient {
  /** Adds a version with exactly these keys; with `cas` only when that version is current (0: none yet). */
  put(
    at: SecretPlace,
    data: Readonly<Record<string, SecretBytes>>,
    cas?: number,
  ): Promise<{ readonly version: number }>;
  /** The values of the current version; the server records the access first. */
  get(
    at: SecretPlace,
  ): Promise<{ readonly version: number; readonly data: Readonly<Record<string, SecretBytes>> }>;
  /** Which versions there are, with which keys; no values. */
  versions(
    at: SecretPlace,
  ): Promise<ReadonlyArray<{ readonly version: number; readonly keys: readonly string[] }>>;
  list(
    project: string,
    environment: string,
  ): Promise<ReadonlyArray<{ readonly path: string; readonly version: number }>>;
}

export function createSecretsClient({ json }: Transport): SecretsClient {
  return {
    put: (at, data, cas) =>
      json('PUT', place(at, 'data'), {
        body: {
          data: Object.fromEntries(
            Object.entries(data).map(([key, value]) => [key, toBase64(value.expose())]),
          ),
          ...(cas === undefined ? {} : { cas }),
        },
      }),
    get: async (at) => {
      const found = await json<{ version: number; data: Record<string, string> }>('GET', place(at, 'data'));
      const data = Object.entries(found.data).map(([key, value]) => [
        key,
        SecretBytes.from(fromBase64(value)),
      ]);
      return { version: found.version, data: Object.fromEntries(data) };
    },
    versions: async (at) =>
      (await json<{ versions: { version: number; keys: string[] }[] }>('GET', place(at, 'versions')))
        .versions,
    list: async (project, environment) =>
      (
        await json<{ secrets: { path: string; version: number }[] }>(
          'GET',
          path`/api/secrets/${project}/${environment}`,
        )
      ).secrets,
  };
}

function place(at: SecretPlace, what: 'data' | 'versions'): string {
  const rest = at.path.split('/').map(encodeURIComponent).join('/');
  return `${path`/api/secrets/${at.project}/${at.environment}/${what}/`}${rest}`;
}
