import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestHex, digestOf, utf8, writeTar } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isThere, openRegistryServer, password } from './registry-server.fixture.ts';

/**
 * The registry against clients that know nothing of us: oras, which pushes artifacts and reads referrers, and skopeo,
 * which copies images. Each is looked for in PATH or where ORAS and SKOPEO say; one that is not there is skipped aloud.
 */
const oras = process.env['ORAS'] ?? 'oras';
const skopeo = process.env['SKOPEO'] ?? 'skopeo';
const hasOras = await isThere(oras, ['version'], 'see oras.land; set ORAS to its path');
const hasSkopeo = await isThere(skopeo, ['--version'], 'apt-get install skopeo');

let server: Awaited<ReturnType<typeof openRegistryServer>>;
beforeAll(async () => {
  server = await openRegistryServer('clients');
});
afterAll(() => server.close());

const inDirectory = (name: string): string => join(server.directory, name);

describe.skipIf(!hasOras)('oras', () => {
  const credentials = ['--plain-http', '-u', 'any', '-p', password];
  const call = (command: string[], ...args: string[]): Promise<string> =>
    server.run(oras, [...command, ...credentials, ...args]);
  const image = (name: string): string => `${server.host}/oras/${name}`;

  it('pushes an artifact and pulls the same bytes', async () => {
    const content = randomBytes(2_000_000);
    await writeFile(inDirectory('model.bin'), content);
    await call(['push'], '--artifact-type', 'application/x.model', image('model:v1'), 'model.bin');
    await mkdir(inDirectory('pulled'));
    await call(['pull'], '-o', inDirectory('pulled'), image('model:v1'));

    expect(await readFile(inDirectory('pulled/model.bin'))).toEqual(content);
    expect(await call(['repo', 'tags'], image('model'))).toBe('v1');
  });

  it('attaches evidence and finds it through the referrers API, by type', async () => {
    await writeFile(inDirectory('sbom.json'), '{"spdxVersion":"SPDX-2.3"}');
    await writeFile(inDirectory('test.json'), '{"passed":12}');
    await call(['attach'], '--artifact-type', 'application/spdx+json', image('model:v1'), 'sbom.json');
    await call(['attach'], '--artifact-type', 'application/x.tests', image('model:v1'), 'test.json');

    const discover = (...more: string[]): Promise<string> =>
      call(
        ['discover'],
        '--distribution-spec',
        'v1.1-referrers-api',
        '--format',
        'json',
        ...more,
        image('model:v1'),
      );
    const all = await discover();
    expect(all).toContain('application/spdx+json');
    expect(all).toContain('application/x.tests');
    const one = await discover('--artifact-type', 'application/x.tests');
    expect(one).toContain('application/x.tests');
    expect(one).not.toContain('spdx');
    // No fallback tag was made: the client saw that the registry knows subjects.
    expect(await call(['repo', 'tags'], image('model'))).toBe('v1');
  });

  it('copies an artifact with all that refers to it', async () => {
    const both = ['--from-username', 'any', '--from-password', password, '--to-username', 'any'];
    await server.run(oras, [
      'cp',
      '-r',
      '--from-plain-http',
      '--to-plain-http',
      ...both,
      '--to-password',
      password,
      image('model:v1'),
      image('copied:v1'),
    ]);

    const found = await call(['discover'], '--format', 'json', image('copied:v1'));
    expect(found).toContain('application/spdx+json');
    expect(found).toContain('application/x.tests');
  });

  it('deletes a manifest', async () => {
    await call(['manifest', 'delete'], '--force', image('copied:v1'));

    await expect(call(['manifest', 'fetch'], image('copied:v1'))).rejects.toThrow(/not found/);
  });
});

describe.skipIf(!hasSkopeo)('skopeo', () => {
  const call = (...args: string[]): Promise<string> => server.run(skopeo, ['--insecure-policy', ...args]);
  const from = ['--src-tls-verify=false', '--src-creds', `any:${password}`];
  const to = ['--dest-tls-verify=false', '--dest-creds', `any:${password}`];
  const image = (name: string): string => `docker://${server.host}/skopeo/${name}`;

  /** An OCI layout of one image; its digest. */
  async function layout(): Promise<string> {
    const root = inDirectory('layout');
    await mkdir(join(root, 'blobs/sha256'), { recursive: true });
    const put = async (mediaType: string, bytes: Uint8Array) => {
      const digest = digestOf(bytes);
      await writeFile(join(root, 'blobs/sha256', digestHex(digest)), bytes);
      return { mediaType, digest, size: bytes.length };
    };
    const tar = writeTar([
      {
        path: 'a.bin',
        type: 'file',
        mode: 0o644,
        mtimeSeconds: 0,
        body: new Uint8Array(randomBytes(3_000_000)),
      },
    ]);
    const layer = await put('application/vnd.oci.image.layer.v1.tar', tar);
    const config = await put(
      'application/vnd.oci.image.config.v1+json',
      utf8(
        JSON.stringify({
          architecture: 'amd64',
          os: 'linux',
          config: {},
          rootfs: { type: 'layers', diff_ids: [layer.digest] },
        }),
      ),
    );
    const type = 'application/vnd.oci.image.manifest.v1+json';
    const manifest = await put(
      type,
      utf8(JSON.stringify({ schemaVersion: 2, mediaType: type, config, layers: [layer] })),
    );
    await writeFile(join(root, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    await writeFile(join(root, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
    return manifest.digest;
  }

  it('pushes, inspects, copies, pulls and deletes', async () => {
    const digest = await layout();
    await call('copy', '--preserve-digests', ...to, `oci:${inDirectory('layout')}`, image('app:v1'));
    const seen = JSON.parse(
      await call('inspect', '--tls-verify=false', '--creds', `any:${password}`, image('app:v1')),
    );
    expect(seen.Digest).toBe(digest);
    expect(seen.RepoTags).toEqual(['v1']);

    await call('copy', '--preserve-digests', ...from, ...to, image('app:v1'), image('again:v2'));
    await call('copy', '--preserve-digests', ...from, image('again:v2'), `oci:${inDirectory('back')}`);
    expect(await readFile(inDirectory('back/index.json'), 'utf8')).toContain(digest);

    await call('delete', '--tls-verify=false', '--creds', `any:${password}`, image('again:v2'));
    await expect(call('copy', ...from, image('again:v2'), `oci:${inDirectory('gone')}`)).rejects.toThrow(
      /manifest unknown/,
    );
  });

  it('pushes in Docker’s format as well', async () => {
    await layout();
    await call('copy', '--format', 'v2s2', ...to, `oci:${inDirectory('layout')}`, image('docker:v1'));

    const raw = await call(
      'inspect',
      '--raw',
      '--tls-verify=false',
      '--creds',
      `any:${password}`,
      image('docker:v1'),
    );
    expect(JSON.parse(raw).mediaType).toBe('application/vnd.docker.distribution.manifest.v2+json');
  });
});
