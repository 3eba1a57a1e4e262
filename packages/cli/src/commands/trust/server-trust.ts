import { fromBase64, isFault, type ReadTufFile, utf8 } from '@sallyport/formats';
import type { Client } from '@sallyport/sdk';

/** What the server says of its TUF repository, as JSON. */
export interface TrustView {
  readonly installation: string;
  readonly targetsKey: string;
  readonly onlineKey: string;
  readonly root?: {
    readonly version: number;
    readonly expires: string;
    readonly threshold: number;
    readonly keyIds: readonly string[];
  };
  readonly roles: ReadonlyArray<{
    readonly role: string;
    readonly version: number;
    readonly expires: string;
  }>;
}

const maxFileBytes = 1024 * 1024;

export async function readTrust({ transport }: Client): Promise<TrustView> {
  return await transport.json('GET', '/api/trust');
}

export async function sendRoot({ transport }: Client, document: string): Promise<TrustView> {
  return await transport.json('POST', '/api/trust/roots', { body: { document } });
}

/** The same as `readTrust`, with new keys of the server for the next root. */
export async function addServerKeys({ transport }: Client): Promise<TrustView> {
  return await transport.json('POST', '/api/trust/keys');
}

export async function rotateTimestampKey({
  transport,
}: Client): Promise<{ readonly number: number; readonly keyId: string }> {
  return await transport.json('POST', '/api/trust/timestamps/rotate');
}

/** The keys that the server signs roles with, as a root names them. */
export function serverKeys(view: TrustView): { targetsKey: Uint8Array; onlineKey: Uint8Array } {
  return { targetsKey: fromBase64(view.targetsKey), onlineKey: fromBase64(view.onlineKey) };
}

/** Files of the server's repository, unverified. */
export function tufReader({ transport }: Client): ReadTufFile {
  return async (path) => {
    try {
      return utf8(await transport.text('GET', `/tuf/${path}`, { maxBytes: maxFileBytes }));
    } catch (error) {
      if (isFault(error) && error.kind === 'not_found') return undefined;
      throw error;
    }
  };
}
