import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type Digest, digestOf, mediaTypes, type TarStreamEntry, writeTar } from '@sallyport/formats';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { textFile } from '../build-bench.fixture.ts';
import type { ImageRegistry } from '../port.ts';
import { architecture, readBase } from './base.ts';
import { readElf } from './elf.ts';
import { hostLibraries } from './host-libraries.ts';
import { writeLayer } from './layer.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sp-image-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('layer', () => {
  const entries: TarStreamEntry[] = [textFile('b', 'x'.repeat(3_000_000)), textFile('a', 'y')];

  it('depends on its entries only, not on their order or on when it is written', async () => {
    const first = await writeLayer(entries, join(directory, '1'));
    const second = await writeLayer([...entries].reverse(), join(directory, '2'));

    expect(second.descriptor).toEqual(first.descriptor);
    expect(second.diffId).toBe(first.diffId);
  });

  it('says the digests of exactly what it wrote, with a gzip header that names no time and no system', async () => {
    const layer = await writeLayer(entries, join(directory, '1'));
    const chunks: Uint8Array[] = [];
    for await (const chunk of layer.blob.open()) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);

    expect(digestOf(bytes)).toBe(layer.descriptor.digest);
    expect(bytes.length).toBe(layer.descriptor.size);
    expect(digestOf(gunzipSync(bytes))).toBe(layer.diffId);
    expect(
      gunzipSync(bytes).equals(
        Buffer.from(writeTar([textFile('b', 'x'.repeat(3_000_000)), textFile('a', 'y')])),
      ),
    ).toBe(true);
    expect([...bytes.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, bytes[8], 255]);
  });

  it('fails, and does not hang, when a file is not as long as it was', async () => {
    const lying: TarStreamEntry = {
      type: 'file',
      path: 'x',
      mode: 0o644,
      mtimeSeconds: 0,
      sizeBytes: 10,
      open: async function* () {
        yield new Uint8Array(3);
      },
    };

    await expect(writeLayer([lying], join(directory, '1'))).rejects.toThrow(/10 bytes of body/);
  });
});

describe('ELF', () => {
  it('reads what a program of this host needs, and finds all of it', async () => {
    const elf = await readElf(process.execPath);
    const libraries = await hostLibraries([process.execPath]);

    expect(elf?.needed).toContain('libc.so.6');
    expect(elf?.interpreter).toMatch(/^\/lib/);
    const targets = libraries.map((library) => library.target);
    expect(targets).toContain(elf?.interpreter?.slice(1));
    for (const name of elf?.needed ?? []) {
      expect(
        targets.some((target) => target.endsWith(`/${name}`)),
        name,
      ).toBe(true);
    }
    expect(libraries.every((library) => /^[0-9a-f]{64}$/.test(library.material.digest['sha256'] ?? ''))).toBe(
      true,
    );
  });

  it('takes a script for no program, and a library that is nowhere for an error', async () => {
    await writeFile(join(directory, 'script'), '#!/bin/sh\necho '.padEnd(200, 'x'));

    expect(await readElf(join(directory, 'script'))).toBeUndefined();
    expect(await hostLibraries([join(directory, 'script')])).toEqual([]);
  });

  it('survives any damage to a program: an answer or a refusal, never a crash or a hang', async () => {
    const { readFile } = await import('node:fs/promises');
    const real = (await readFile('/bin/true')).subarray(0, 60_000);
    let count = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(1023), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        fc.nat(real.length),
        async (flips, cut) => {
          const bytes = Buffer.from(real.subarray(0, Math.max(64, cut)));
          for (const [at, value] of flips) if (at > 3 && at < bytes.length) bytes[at] = value;
          const path = join(directory, `e${count++}`);
          await writeFile(path, bytes);

          await readElf(path).catch((error: unknown) =>
            expect(error).toMatchObject({ code: 'build.bad_elf' }),
          );
        },
      ),
      { numRuns: 150 },
    );
    expect((await readdir(directory)).length).toBe(count);
  });
});

describe('base image', () => {
  const blobs = new Map<string, Uint8Array>();
  const put = (value: object | Uint8Array): { digest: Digest; size: number } => {
    const bytes = value instanceof Uint8Array ? value : Uint8Array.from(Buffer.from(JSON.stringify(value)));
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { digest, size: bytes.length };
  };
  const get = (digest: string): Uint8Array => blobs.get(digest) ?? new Uint8Array(0);
  const registry: ImageRegistry = {
    hasBlob: async () => false,
    pushBlob: async () => undefined,
    pushManifest: async () => undefined,
    manifest: async (_, digest) => get(digest),
    blob: async (_, digest) =>
      (async function* () {
        yield get(digest);
      })(),
  };
  const imageOf = (config: object) => {
    const layer = put(Uint8Array.of(1, 2, 3));
    return put({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: { mediaType: mediaTypes.ociConfig, ...put(config) },
      layers: [{ mediaType: mediaTypes.ociLayer, ...layer }],
    }).digest;
  };
  const config = (more: object = {}) => ({
    architecture: architecture(),
    os: 'linux',
    config: { Env: ['PATH=/bin', 'A=1'] },
    rootfs: { type: 'layers', diff_ids: [digestOf(Uint8Array.of(1, 2, 3))] },
    ...more,
  });

  it('passes the layers of an image on as they are', async () => {
    const base = await readBase(`team/base@${imageOf(config())}`, registry);

    expect(base.layers.map((layer) => layer.descriptor.size)).toEqual([3]);
    expect(base.diffIds).toEqual([digestOf(Uint8Array.of(1, 2, 3))]);
    expect(base.config?.Env).toEqual(['PATH=/bin', 'A=1']);
  });

  it('refuses other bytes than the digest names, another platform, another registry and uneven layers', async () => {
    const digest = imageOf(config());
    const swapped: ImageRegistry = {
      ...registry,
      manifest: async () => get(imageOf(config({ os: 'linux', created: 'x' }))),
    };

    await expect(readBase(`team/base@${digest}`, swapped)).rejects.toMatchObject({ kind: 'integrity' });
    await expect(readBase(`team/base@${imageOf(config({ os: 'windows' }))}`, registry)).rejects.toMatchObject(
      {
        code: 'build.base_platform',
      },
    );
    await expect(readBase(`other.example/base@${digest}`, registry)).rejects.toMatchObject({
      code: 'build.base',
    });
    await expect(
      readBase(`team/base@${imageOf(config({ rootfs: { type: 'layers', diff_ids: [] } }))}`, registry),
    ).rejects.toMatchObject({ code: 'build.base' });
  });
});
