import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf, utf8 } from '@sallyport/formats';
import { openTestDb } from '../../test-support/database.ts';
import { countingIds, fixedClock, recordingAudit } from '../../test-support/fakes.ts';
import type { TokenSeal } from './access/tokens.ts';
import { type FileSystem, nodeFileSystem } from './blobs/file-system.ts';
import { registryMigrations } from './migrations.ts';
import { createRegistryOn, type Registry } from './registry.ts';

/** A registry on a directory and database of its own. For tests. */
export async function openTestRegistry() {
  const test = await openTestDb(registryMigrations);
  const root = await mkdtemp(join(tmpdir(), 'sallyport-registry-'));
  const clock = fixedClock();
  const audit = recordingAudit();
  const deps = { db: test.db, root, clock, ids: countingIds(), audit };
  /** Another process on the same data: what a restart or a second replica is. */
  const another = async (fs: FileSystem = nodeFileSystem): Promise<Registry> => {
    const registry = createRegistryOn(deps, fs);
    await registry.open();
    return registry;
  };
  return {
    ...deps,
    registry: await another(),
    another,
    async close() {
      await test.close();
      await rm(root, { recursive: true });
    },
  };
}

export const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
export const ociIndex = 'application/vnd.oci.image.index.v1+json';

export function descriptorOf(bytes: Uint8Array, mediaType = 'application/octet-stream') {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

/** A manifest over the given layers, with what `more` adds or replaces. */
export function manifestOver(
  layers: readonly Uint8Array[],
  config: Uint8Array,
  more: object = {},
): Uint8Array {
  return utf8(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: ociManifest,
      config: descriptorOf(config, 'application/vnd.oci.image.config.v1+json'),
      layers: layers.map((layer) => descriptorOf(layer, 'application/vnd.oci.image.layer.v1.tar')),
      ...more,
    }),
  );
}

/** What the keyring is to the tokens: AES-256-GCM under a key of its own. */
export function sealForTests(): TokenSeal {
  const key = randomBytes(32);
  return {
    seal: (plaintext) => {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
      return Buffer.concat([nonce, body, cipher.getAuthTag()]);
    },
    open: (sealed) => {
      if (sealed.length < 28) return undefined;
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12));
      decipher.setAuthTag(sealed.subarray(-16));
      try {
        return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
      } catch {
        return undefined;
      }
    },
  };
}
