import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, utf8 } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Actor, systemActor } from '#platform';
import { person } from '../../test-support/fakes.ts';
import { type FileSystem, nodeFileSystem } from './blobs/file-system.ts';
import { registryAudited } from './index.ts';
import { descriptorOf, manifestOver, ociIndex, ociManifest, openTestRegistry } from './registry.fixture.ts';

let test: Awaited<ReturnType<typeof openTestRegistry>>;
beforeAll(async () => {
  test = await openTestRegistry();
});
afterAll(() => test.close());

const ann: Actor = person('ann');
const coded = (code: string) => expect.objectContaining({ code });
let counter = 0;
const fresh = (sizeBytes = 1000): Uint8Array => {
  counter += 1;
  return utf8(`${counter}`.padEnd(sizeBytes, 'x'));
};

async function filesOnDisk(): Promise<string[]> {
  const entries = await readdir(test.root, { recursive: true, withFileTypes: true });
  return entries.filter((each) => each.isFile()).map((each) => each.name);
}
async function contentOf(repository: string, bytes: Uint8Array): Promise<string> {
  const blob = await test.registry.openBlob(repository, digestOf(bytes));
  const chunks: Uint8Array[] = [];
  for await (const chunk of blob.stream()) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
async function pushImage(repository: string, layers: Uint8Array[], tag?: string, more: object = {}) {
  const config = utf8('{}');
  for (const each of [config, ...layers]) await test.registry.putBlob(repository, each);
  const bytes = manifestOver(layers, config, more);
  return { bytes, ...(await test.registry.putManifest(repository, bytes, ociManifest, tag)) };
}
/** A file system whose writes fail from the `after`th byte on; `partial` bytes of the failing write still land. */
function failing(code: string, after: number): FileSystem {
  let written = 0;
  return {
    ...nodeFileSystem,
    open: async (path, flags, mode) => {
      const handle = await nodeFileSystem.open(path, flags, mode);
      const write = handle.write.bind(handle);
      const failOrWrite = async (bytes: Uint8Array, offset: number, length: number, position: number) => {
        const room = Math.max(0, after - written);
        if (room === 0) throw Object.assign(new Error(`${code}: write`), { code });
        const done = await write(bytes, offset, Math.min(length, room), position);
        written += done.bytesWritten;
        return done;
      };
      // Only the one overload the code under test calls.
      handle.write = failOrWrite as unknown as typeof handle.write;
      return handle;
    },
  };
}

describe('blobs', () => {
  it('are stored once, verified, and readable only where they were pushed', async () => {
    const bytes = fresh();
    await test.registry.putBlob('a/one', bytes);
    await test.registry.putBlob('a/two', bytes);

    expect(await contentOf('a/two', bytes)).toBe(Buffer.from(bytes).toString());
    expect((await filesOnDisk()).filter((name) => name.startsWith(digestOf(bytes).slice(7)))).toHaveLength(1);
    await expect(test.registry.openBlob('a/three', digestOf(bytes))).rejects.toThrow(
      coded('registry.blob_unknown'),
    );
  });

  it('are refused with another digest, and the upload is gone', async () => {
    const upload = await test.registry.startUpload(ann, 'a/one');
    await test.registry.append(ann, 'a/one', upload.id, [fresh()]);

    await expect(test.registry.finishUpload(ann, 'a/one', upload.id, digestOf(fresh()))).rejects.toThrow(
      coded('registry.digest_mismatch'),
    );
    await expect(test.registry.getUpload(ann, 'a/one', upload.id)).rejects.toThrow(
      coded('registry.upload_unknown'),
    );
    expect(await filesOnDisk()).not.toContain(upload.id);
  });

  it('pushed many times at once end as one file that reads back', async () => {
    const bytes = fresh(200_000);

    const stored = await Promise.all(Array.from({ length: 8 }, () => test.registry.putBlob('a/many', bytes)));

    expect(new Set(stored.map((blob) => blob.file)).size).toBe(1);
    expect((await filesOnDisk()).filter((name) => name.startsWith(digestOf(bytes).slice(7)))).toHaveLength(1);
    expect(await contentOf('a/many', bytes)).toHaveLength(200_000);
  });

  it('whose file was lost are healed by the next push', async () => {
    const bytes = fresh();
    const { file } = await test.registry.putBlob('a/heal', bytes);
    await rm(join(test.root, 'blobs/sha256', file.slice(0, 2), file));
    await expect(contentOf('a/heal', bytes)).rejects.toThrow(coded('registry.blob_lost'));

    await test.registry.putBlob('a/heal', bytes);

    expect(await contentOf('a/heal', bytes)).toBe(Buffer.from(bytes).toString());
  });
});

describe('uploads', () => {
  it('resume after a broken connection and after a restart', async () => {
    const bytes = fresh(10_000);
    const upload = await test.registry.startUpload(ann, 'a/resume');
    async function* broken() {
      yield bytes.subarray(0, 4000);
      throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
    }
    await expect(test.registry.append(ann, 'a/resume', upload.id, broken())).rejects.toThrow('aborted');

    const restarted = await test.another();
    expect((await restarted.getUpload(ann, 'a/resume', upload.id)).offsetBytes).toBe(4000);
    await restarted.append(ann, 'a/resume', upload.id, [bytes.subarray(4000)], 4000);
    await restarted.finishUpload(ann, 'a/resume', upload.id, digestOf(bytes));

    expect(await contentOf('a/resume', bytes)).toBe(Buffer.from(bytes).toString());
  });

  it('ignore bytes that a crash left behind the last durable one', async () => {
    const bytes = fresh(5000);
    const upload = await test.registry.startUpload(ann, 'a/torn');
    await test.registry.append(ann, 'a/torn', upload.id, [bytes.subarray(0, 1000)]);
    const path = join(test.root, 'uploads', upload.id);
    await writeFile(path, Buffer.concat([await readFile(path), Buffer.from('torn tail of a crashed write')]));

    const restarted = await test.another();
    await restarted.append(ann, 'a/torn', upload.id, [bytes.subarray(1000)]);
    await restarted.finishUpload(ann, 'a/torn', upload.id, digestOf(bytes));

    expect(await contentOf('a/torn', bytes)).toBe(Buffer.from(bytes).toString());
  });

  it('refuse a chunk at another offset, another caller, another repository and a second writer', async () => {
    const upload = await test.registry.startUpload(ann, 'a/strict');
    await test.registry.append(ann, 'a/strict', upload.id, [fresh(100)]);
    let go: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    async function* slow() {
      await gate;
      yield fresh(10);
    }

    await expect(test.registry.append(ann, 'a/strict', upload.id, [fresh()], 99)).rejects.toThrow(
      expect.objectContaining({ code: 'registry.range_invalid', details: { offsetBytes: 100 } }),
    );
    await expect(test.registry.append(person('eve'), 'a/strict', upload.id, [fresh()])).rejects.toThrow(
      coded('registry.upload_unknown'),
    );
    await expect(test.registry.append(ann, 'a/other', upload.id, [fresh()])).rejects.toThrow(
      coded('registry.upload_unknown'),
    );
    const first = test.registry.append(ann, 'a/strict', upload.id, slow());
    await expect(test.registry.append(ann, 'a/strict', upload.id, [fresh()])).rejects.toThrow(
      coded('registry.upload_busy'),
    );
    go();
    expect((await first).offsetBytes).toBe(110);
  });

  it.each(['ENOSPC', 'EDQUOT'])(
    'give a clear error on a full disk (%s) and leave no half blob',
    async (code) => {
      const bytes = fresh(50_000);
      const full = await test.another(failing(code, 20_000));

      const before = await filesOnDisk();
      await expect(full.putBlob('a/full', bytes)).rejects.toThrow(
        expect.objectContaining({ kind: 'exhausted', code: 'registry.disk_full' }),
      );
      expect(await filesOnDisk()).toEqual(before);
      await expect(test.registry.openBlob('a/full', digestOf(bytes))).rejects.toThrow(
        coded('registry.blob_unknown'),
      );

      await test.registry.putBlob('a/full', bytes);
      expect(await contentOf('a/full', bytes)).toHaveLength(50_000);
    },
  );

  it('keep what was durable when the disk fills up, and go on once there is room', async () => {
    const bytes = fresh(50_000);
    const full = await test.another(failing('ENOSPC', 20_000));
    const upload = await full.startUpload(ann, 'a/room');
    await full.append(ann, 'a/room', upload.id, [bytes.subarray(0, 15_000)]);

    await expect(full.append(ann, 'a/room', upload.id, [bytes.subarray(15_000)])).rejects.toThrow(
      coded('registry.disk_full'),
    );
    expect((await readFile(join(test.root, 'uploads', upload.id))).length).toBe(15_000);
    await test.registry.append(ann, 'a/room', upload.id, [bytes.subarray(15_000)], 15_000);
    await test.registry.finishUpload(ann, 'a/room', upload.id, digestOf(bytes));

    expect(await contentOf('a/room', bytes)).toBe(Buffer.from(bytes).toString());
  });

  it.each(['rename', 'sync'])('fail whole when %s fails, and succeed when repeated', async (what) => {
    const bytes = fresh();
    const io = Object.assign(new Error('EIO'), { code: 'EIO' });
    const broken: FileSystem = {
      ...nodeFileSystem,
      ...(what === 'rename' ? { rename: () => Promise.reject(io) } : {}),
      open: async (path, flags, mode) => {
        const handle = await nodeFileSystem.open(path, flags, mode);
        if (what === 'sync' && path.includes('uploads')) handle.datasync = () => Promise.reject(io);
        return handle;
      },
    };
    const registry = await test.another(broken);

    await expect(registry.putBlob('a/io', bytes)).rejects.toThrow('EIO');
    await expect(test.registry.openBlob('a/io', digestOf(bytes))).rejects.toThrow(
      coded('registry.blob_unknown'),
    );
    await test.registry.putBlob('a/io', bytes);

    expect(await contentOf('a/io', bytes)).toBe(Buffer.from(bytes).toString());
  });
});

describe('manifests', () => {
  it('are kept byte for byte and found by digest and tag', async () => {
    const { bytes, digest } = await pushImage('m/one', [fresh()], 'v1');

    expect(await test.registry.getManifest('m/one', 'v1')).toMatchObject({ digest, mediaType: ociManifest });
    expect((await test.registry.getManifest('m/one', digest)).content).toEqual(bytes);
    await expect(test.registry.getManifest('m/two', digest)).rejects.toThrow(
      coded('registry.manifest_unknown'),
    );
  });

  it('never move a tag; the same digest again is no change', async () => {
    const first = await pushImage('m/tags', [fresh()], 'v1');
    const events = test.audit.events.length;
    await test.registry.putManifest('m/tags', first.bytes, ociManifest, 'v1');
    expect(test.audit.events).toHaveLength(events);

    await expect(pushImage('m/tags', [fresh()], 'v1')).rejects.toThrow(
      expect.objectContaining({
        code: 'registry.tag_immutable',
        message: expect.stringContaining(first.digest),
      }),
    );
    expect((await test.registry.getManifest('m/tags', 'v1')).digest).toBe(first.digest);
  });

  it('pushed under one tag by many at once leave one winner, and nothing of the losers', async () => {
    const config = utf8('{}');
    const layers = Array.from({ length: 6 }, () => fresh());
    for (const each of [config, ...layers]) await test.registry.putBlob('m/race', each);
    const manifests = layers.map((layer) => manifestOver([layer], config));

    const outcomes = await Promise.allSettled(
      manifests.map((bytes) => test.registry.putManifest('m/race', bytes, ociManifest, 'v1')),
    );

    expect(outcomes.filter((each) => each.status === 'fulfilled')).toHaveLength(1);
    const kept = await Promise.allSettled(
      manifests.map((bytes) => test.registry.getManifest('m/race', digestOf(bytes))),
    );
    expect(kept.filter((each) => each.status === 'fulfilled')).toHaveLength(1);
  });

  it('are refused while something they name is missing or has another size', async () => {
    const layer = fresh();
    const config = utf8('{}');
    const unknown = coded('registry.manifest_blob_unknown');
    await test.registry.putBlob('m/part', config);
    await test.registry.putBlob('m/elsewhere', layer);

    await expect(
      test.registry.putManifest('m/part', manifestOver([layer], config), ociManifest),
    ).rejects.toThrow(unknown);
    await test.registry.putBlob('m/part', layer);
    const wrong = manifestOver([], config, { layers: [{ ...descriptorOf(layer), size: 7 }] });
    await expect(test.registry.putManifest('m/part', wrong, ociManifest)).rejects.toThrow(
      coded('registry.manifest_invalid'),
    );
    const index = utf8(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: ociIndex,
        manifests: [descriptorOf(manifestOver([layer], config), ociManifest)],
      }),
    );
    await expect(test.registry.putManifest('m/part', index, ociIndex)).rejects.toThrow(unknown);
    await test.registry.putManifest('m/part', manifestOver([layer], config), ociManifest);
    await test.registry.putManifest('m/part', index, ociIndex);
  });

  it('are refused when they are not exactly what they are sent as', async () => {
    const config = utf8('{}');
    await test.registry.putBlob('m/bad', config);
    const good = JSON.parse(Buffer.from(manifestOver([], config)).toString());
    const text = JSON.stringify(good);
    const hostile: Array<readonly [string | object, string]> = [
      ['', ociManifest],
      ['{', ociManifest],
      ['[]', ociManifest],
      ['null', ociManifest],
      [`${text}x`, ociManifest],
      [`{"schemaVersion":2,${text.slice(1)}`, ociManifest],
      [good, 'application/json'],
      [good, ociIndex],
      [good, ''],
      [{ ...good, schemaVersion: 1 }, ociManifest],
      [{ ...good, mediaType: ociIndex }, ociManifest],
      [{ ...good, mediaType: undefined }, 'application/vnd.docker.distribution.manifest.v2+json'],
      [{ ...good, manifests: [] }, ociManifest],
      [{ ...good, config: undefined }, ociManifest],
      [{ ...good, layers: undefined }, ociManifest],
      [{ ...good, layers: {} }, ociManifest],
      [{ ...good, layers: [{ ...descriptorOf(config), digest: 'sha512:00' }] }, ociManifest],
      [{ ...good, layers: [{ ...descriptorOf(config), size: -1 }] }, ociManifest],
      [{ ...good, layers: [{ ...descriptorOf(config), size: 1.5 }] }, ociManifest],
      [{ ...good, layers: [{ ...descriptorOf(config), mediaType: 'x' }] }, ociManifest],
      [{ ...good, layers: Array.from({ length: 1001 }, () => descriptorOf(config)) }, ociManifest],
      [{ ...good, subject: 'sha256:00' }, ociManifest],
      [{ ...good, annotations: { a: 1 } }, ociManifest],
      [{ ...good, artifactType: 'no slash' }, ociManifest],
      ['['.repeat(5000), ociManifest],
      [' '.repeat(4 * 1024 * 1024 + 1), ociManifest],
    ];

    for (const [document, type] of hostile) {
      const bytes = utf8(typeof document === 'string' ? document : JSON.stringify(document));
      await expect(
        test.registry.putManifest('m/bad', bytes, type),
        Buffer.from(bytes.subarray(0, 100)).toString(),
      ).rejects.toThrow(coded('registry.manifest_invalid'));
    }
    await expect(
      test.registry.putManifest('m/bad', utf8(text), ociManifest, digestOf(config)),
    ).rejects.toThrow(coded('registry.digest_mismatch'));
  });

  it('whose stored bytes were altered are not given out', async () => {
    const { digest } = await pushImage('m/altered', [fresh()]);
    const { sql } = await import('kysely');
    await test.db.write((tx) =>
      sql`update registry_manifests set content = content || '\\x20'::bytea where digest = ${digest}`.execute(
        tx,
      ),
    );

    await expect(test.registry.getManifest('m/altered', digest)).rejects.toThrow(
      expect.objectContaining({ kind: 'integrity' }),
    );
    await test.db.write((tx) =>
      sql`update registry_manifests set content = substring(content for octet_length(content) - 1) where digest = ${digest}`.execute(
        tx,
      ),
    );
    expect((await test.registry.getManifest('m/altered', digest)).digest).toBe(digest);
  });

  it('list their referrers, also for a subject that is not there yet', async () => {
    const { digest: subject, bytes } = await pushImage('m/refs', [fresh()]);
    const refer = (artifactType: string, n: number) =>
      pushImage('m/refs', [], undefined, {
        artifactType,
        subject: { mediaType: ociManifest, digest: subject, size: bytes.length },
        annotations: { n: `${n}` },
      });
    const sbom = await refer('application/vnd.cyclonedx+json', 1);
    const bundle = await refer('application/vnd.dev.sigstore.bundle.v0.3+json', 2);

    const all = await test.registry.referrers('m/refs', subject);
    expect(all.map((each) => each.digest)).toEqual([sbom.digest, bundle.digest].sort());
    expect(
      await test.registry.referrers('m/refs', subject, { artifactType: 'application/vnd.cyclonedx+json' }),
    ).toMatchObject([{ digest: sbom.digest, annotations: { n: '1' } }]);
    expect(await test.registry.referrers('m/refs', digestOf(fresh()))).toEqual([]);
    expect(await test.registry.referrers('m/other', subject)).toEqual([]);
  });

  it('cannot be deleted while an index needs them; blobs not while a manifest does', async () => {
    const layer = fresh();
    const image = await pushImage('m/del', [layer], 'v1');
    const index = utf8(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: ociIndex,
        manifests: [descriptorOf(image.bytes, ociManifest)],
      }),
    );
    const { digest } = await test.registry.putManifest('m/del', index, ociIndex);
    const inUse = coded('registry.in_use');

    await expect(test.registry.deleteManifest(ann, 'm/del', image.digest)).rejects.toThrow(inUse);
    await expect(test.registry.deleteBlob('m/del', digestOf(layer))).rejects.toThrow(inUse);
    await test.registry.getManifest('m/del', 'v1');
    await test.registry.deleteManifest(ann, 'm/del', digest);
    await test.registry.deleteManifest(ann, 'm/del', image.digest);
    await test.registry.deleteBlob('m/del', digestOf(layer));

    await expect(test.registry.getManifest('m/del', 'v1')).rejects.toThrow(
      coded('registry.manifest_unknown'),
    );
    await expect(test.registry.openBlob('m/del', digestOf(layer))).rejects.toThrow(
      coded('registry.blob_unknown'),
    );
  });
});

describe('garbage collection', () => {
  it('removes what nothing needs after the grace period, and nothing else', async () => {
    const kept = fresh();
    const loose = fresh();
    await pushImage('g/one', [kept], 'v1');
    await test.registry.putBlob('g/one', loose);
    const upload = await test.registry.startUpload(ann, 'g/one');
    await test.registry.append(ann, 'g/one', upload.id, [fresh()]);
    const orphan = `${'ab'.repeat(32)}.upl_crashed`;
    await test.registry.putBlob('g/one', fresh());
    const { utimes, mkdir } = await import('node:fs/promises');
    await mkdir(join(test.root, 'blobs/sha256/ab'), { recursive: true });
    await writeFile(join(test.root, 'blobs/sha256/ab', orphan), 'x');
    await utimes(join(test.root, 'blobs/sha256/ab', orphan), test.clock.now(), test.clock.now());

    const early = await test.registry.collectGarbage({ olderThanSeconds: 3600 });
    expect(early).toEqual({ uploads: 0, links: 0, blobs: 0, orphans: 0 });
    test.clock.advance(3601_000);
    const late = await test.registry.collectGarbage({ olderThanSeconds: 3600 });

    expect(late.orphans).toBeGreaterThanOrEqual(1);
    expect(await contentOf('g/one', kept)).toBe(Buffer.from(kept).toString());
    await expect(test.registry.openBlob('g/one', digestOf(loose))).rejects.toThrow(
      coded('registry.blob_unknown'),
    );
    const names = await filesOnDisk();
    expect(names).not.toContain(orphan);
    expect(names).not.toContain(upload.id);
    expect(names.some((name) => name.startsWith(digestOf(loose).slice(7)))).toBe(false);
  });

  it('beside pushes never leaves a manifest without its blobs', async () => {
    const config = utf8('{}');
    const replica = await test.another();
    let pushing = true;
    const lost = expect.stringMatching(/^registry\.(manifest_blob_unknown|upload_unknown)$/);
    async function collectAllTheTime(): Promise<void> {
      while (pushing) {
        // No grace at all: everything not yet referred to may be taken at any moment.
        test.clock.advance(1);
        await replica.collectGarbage({ olderThanSeconds: 0 });
      }
    }
    /** What a client does: when something was taken from under it, it pushes again. */
    async function pushUntilThere(repository: string, layer: Uint8Array): Promise<void> {
      for (;;) {
        try {
          for (const each of [config, layer]) await test.registry.putBlob(repository, each);
          await test.registry.putManifest(repository, manifestOver([layer], config), ociManifest);
          return;
        } catch (error) {
          expect(error).toMatchObject({ code: lost });
        }
      }
    }

    const collecting = collectAllTheTime();
    const results = Array.from({ length: 9 }, (_, i) => ({
      repository: `g/race${i % 3}`,
      layer: fresh(2000),
    }));
    try {
      await Promise.all(results.map(({ repository, layer }) => pushUntilThere(repository, layer)));
    } finally {
      pushing = false;
      await collecting;
    }
    test.clock.advance(1000);
    await replica.collectGarbage({ olderThanSeconds: 0 });

    for (const pushed of results) {
      expect(await contentOf(pushed.repository, pushed.layer)).toHaveLength(2000);
      expect(await contentOf(pushed.repository, config)).toBe('{}');
    }
  });
});

describe('audited tables', () => {
  it('equal the last recorded state of every manifest and tag', async () => {
    await pushImage('z/audit', [fresh()], 'v1');
    await test.registry.deleteManifest(systemActor, 'z/audit', 'v1');
    const last = new Map(test.audit.events.map((event) => [event.resource, event.state]));

    for (const table of registryAudited()) {
      const states = await test.db.read((tx) => table.states(tx));
      expect(states.length).toBeGreaterThan(0);
      for (const [resource, state] of states) expect(last.get(resource), resource).toEqual(state);
      // The recording audit does not see rollbacks, so only what is removed for sure is looked for.
      const removed = [...last].filter(([, state]) => state === null).map(([resource]) => resource);
      for (const resource of removed) expect(states.map(([each]) => each)).not.toContain(resource);
    }
  });
});
