import { isFault } from '@sallyport/formats';
import type { VaultClient } from '@sallyport/sdk';
import type { Invocation } from '../../command.ts';
import type { Found } from './found.ts';

export interface Report {
  readonly dryRun: boolean;
  readonly secrets: ReadonlyArray<{ readonly path: string; readonly what: 'written' | 'kept' | 'new' }>;
}

/**
 * Writes what was found below a path. What is there stays, decided by the server where there are versions (`cas`), so that
 * nothing written meanwhile is lost; `--overwrite` adds versions to it.
 */
export async function bringIn(
  { on }: Invocation,
  client: VaultClient,
  to: string,
  found: readonly Found[],
): Promise<Report> {
  const secrets: Report['secrets'][number][] = [];
  const dryRun = on('dry-run');
  for (const { path, versions, custom } of found) {
    const at = path === '' ? to.replace(/\/$/, '') : `${to.replace(/\/$/, '')}/${path}`;
    if (dryRun) {
      const kept = !on('overwrite') && (await exists(client, at));
      secrets.push({ path: at, what: kept ? 'kept' : 'new' });
      continue;
    }
    const what = (await write(client, at, versions, on('overwrite'))) ? 'written' : 'kept';
    if (what === 'written' && Object.keys(custom).length > 0) await describe(client, at, custom);
    secrets.push({ path: at, what });
  }
  return { dryRun, secrets };
}

async function write(
  client: VaultClient,
  at: string,
  versions: readonly Buffer[],
  overwrite: boolean,
): Promise<boolean> {
  const { versioned } = await client.place(at);
  if (!versioned && !overwrite && (await exists(client, at))) return false;
  for (const [index, json] of versions.entries()) {
    const first = index === 0 && versioned && !overwrite;
    try {
      await client.write(at, { json }, first ? { cas: 0 } : {});
    } catch (error) {
      if (first && isFault(error) && error.code === 'vault.cas_mismatch') return false;
      throw error;
    }
  }
  return true;
}

async function exists(client: VaultClient, at: string): Promise<boolean> {
  const { versioned } = await client.place(at);
  try {
    if (versioned) await client.metadata(at);
    else (await client.read(at)).wipe();
    return true;
  } catch (error) {
    if (isFault(error) && error.kind === 'not_found') return false;
    throw error;
  }
}

async function describe(client: VaultClient, at: string, custom: Found['custom']): Promise<void> {
  const { mount, path, versioned } = await client.place(at);
  if (!versioned) return;
  const body = { custom_metadata: custom };
  (await client.request({ method: 'POST', path: `${mount}/metadata/${path}`, body })).wipe();
}
