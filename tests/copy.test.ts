import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Digest, digestOf, utf8 } from '@sallyport/formats';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  descriptorOf,
  manifestOver,
  ociIndex,
  ociManifest,
} from '../packages/server/src/registry/registry.fixture.ts';
import { openRegistryServer, password } from './interop/registry-server.fixture.ts';

const sally = new URL('../packages/cli/bin/sally.mjs', import.meta.url).pathname;
type RegistryServer = Awaited<ReturnType<typeof openRegistryServer>>;
let source: RegistryServer;
let target: RegistryServer;
let digest: Digest;
/** A signature on the image, and one on that signature. */
let evidence: Digest[];
const config = utf8('{}');
const layer = new Uint8Array(randomBytes(3_000_000));
const proxies: Server[] = [];

async function push(server: RegistryServer, bytes: Uint8Array, type: string, tag?: string): Promise<Digest> {
  await server.registry.putManifest('shop/app', bytes, type, tag);
  return digestOf(bytes);
}

beforeAll(async () => {
  [source, target] = await Promise.all([openRegistryServer('source'), openRegistryServer('target')]);
  for (const blob of [config, layer]) await source.registry.putBlob('shop/app', blob);
  const image = manifestOver([layer], config);
  digest = await push(source, image, ociManifest, 'v1');
  evidence = [];
  let subject = { bytes: image, type: ociManifest };
  for (const text of ['signed', 'countersigned']) {
    const blob = utf8(JSON.stringify({ text }));
    await source.registry.putBlob('shop/app', blob);
    const manifest = manifestOver([blob], config, {
      artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      subject: descriptorOf(subject.bytes, subject.type),
    });
    evidence.push(await push(source, manifest, ociManifest));
    subject = { bytes: manifest, type: ociManifest };
  }
});
afterEach(() => {
  for (const each of proxies.splice(0)) each.close();
});
afterAll(async () => {
  await source.close();
  await target.close();
});

/** The target as another kind of registry would be: `answer` may answer a request itself. */
async function behaving(
  answer: (method: string, path: string) => { status: number; type: string; body: string } | undefined,
): Promise<string> {
  const proxy = createServer((incoming, outgoing) => {
    const own = answer(incoming.method ?? '', incoming.url ?? '');
    if (own !== undefined) {
      outgoing.writeHead(own.status, { 'content-type': own.type }).end(own.body);
      return;
    }
    const [hostname = '', port] = target.host.split(':');
    const { method, url: path, headers } = incoming;
    const forward = request({ hostname, port, method, path, headers }, (answered) => {
      outgoing.writeHead(answered.statusCode ?? 500, answered.headers);
      answered.pipe(outgoing);
    });
    forward.on('error', () => outgoing.destroy());
    incoming.pipe(forward);
  }).listen(0, '127.0.0.1');
  proxies.push(proxy);
  await new Promise((resolve) => proxy.once('listening', resolve));
  return `127.0.0.1:${(proxy.address() as AddressInfo).port}`; // a TCP server's address is always this
}

/** `sally copy`, signed in to every registry of the test as docker would be. */
async function copy(from: string, to: string) {
  const auth = Buffer.from(`any:${password}`).toString('base64');
  const auths = Object.fromEntries([from, to].map((name) => [name.split('/')[0] ?? '', { auth }]));
  await writeFile(join(source.directory, 'config.json'), JSON.stringify({ auths }));
  const env = { PATH: process.env['PATH'], HOME: source.directory, DOCKER_CONFIG: source.directory };
  const { stdout } = await promisify(execFile)(process.execPath, [sally, 'copy', '--json', from, to], {
    env,
  });
  return JSON.parse(stdout);
}

const listed = async (repository: string, subject: Digest): Promise<string[]> =>
  (await target.registry.referrers(repository, subject)).map((each) => each.digest);

describe('sally copy', () => {
  it('carries an image and its evidence, and says how it is found', async () => {
    const copied = await copy(`${source.host}/shop/app:v1`, `${target.host}/mirror/app`);

    expect(copied).toMatchObject({ digest, manifests: 3, evidence, found: 'referrers', skipped: 0 });
    expect((await target.registry.getManifest('mirror/app', 'v1')).digest).toBe(digest);
    expect(await listed('mirror/app', digest)).toEqual([evidence[0]]);
    expect(await listed('mirror/app', evidence[0] ?? digest)).toEqual([evidence[1]]);
  });

  it('goes on where it ended, and changes nothing the second time', async () => {
    await target.registry.putBlob('again/app', layer);
    const first = await copy(`${source.host}/shop/app:v1`, `${target.host}/again/app:v7`);
    expect(first.skipped).toBe(1);
    const second = await copy(`${source.host}/shop/app:v1`, `${target.host}/again/app:v7`);

    expect(second).toMatchObject({ digest, bytes: 0, evidence });
    expect(second.skipped).toBe(second.blobs);
    expect((await target.registry.getManifest('again/app', 'v7')).digest).toBe(digest);
  });

  it.each([
    ['has no referrers API, as GHCR', { status: 404, type: 'text/html', body: '<h1>not found</h1>' }],
    [
      'takes subjects and lists none, as ECR',
      { status: 200, type: ociIndex, body: '{"schemaVersion":2,"manifests":[]}' },
    ],
  ])('leaves the fallback tag at a registry that %s', async (name, answer) => {
    const host = await behaving((_method, path) => (path.includes('/referrers/') ? answer : undefined));
    const repository = name.includes('GHCR') ? 'fallback/ghcr' : 'fallback/ecr';
    const copied = await copy(`${source.host}/shop/app:v1`, `${host}/${repository}`);

    expect(copied.found).toBe('fallback tag');
    const tag = await target.registry.getManifest(repository, digest.replace(':', '-'));
    const index = JSON.parse(Buffer.from(tag.content).toString());
    expect(index.manifests).toMatchObject([
      { digest: evidence[0], artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json' },
    ]);
    // Back from there, where only the tag tells of the evidence.
    const back = await copy(`${host}/${repository}:v1`, `${target.host}/${repository}-back`);
    expect(back).toMatchObject({ evidence, found: 'referrers' });
  });

  it('does not take bytes for those of a digest that are not', async () => {
    const host = await behaving((method, path) =>
      method === 'GET' && path.includes(digestOf(layer))
        ? { status: 200, type: 'application/octet-stream', body: 'x'.repeat(layer.length) }
        : undefined,
    );
    await copy(`${source.host}/shop/app:v1`, `${target.host}/liar/app`);

    await expect(copy(`${host}/liar/app:v1`, `${source.host}/from/liar`)).rejects.toMatchObject({
      stdout: expect.stringContaining('cli.wrong_blob'),
    });
    await expect(source.registry.getManifest('from/liar', 'v1')).rejects.toThrow('found none');
  });

  it('does not follow referrers that refer to one another for ever', async () => {
    const loop = JSON.stringify({
      schemaVersion: 2,
      mediaType: ociIndex,
      manifests: [{ mediaType: ociManifest, digest, size: 3 }],
    });
    const host = await behaving((_method, path) =>
      path.includes('/referrers/') ? { status: 200, type: ociIndex, body: loop } : undefined,
    );
    const copied = await copy(`${host}/mirror/app:v1`, `${source.host}/loop/app`);

    expect(copied).toMatchObject({ digest, manifests: 1, evidence: [] });
  });

  it('asks no realm for a token without TLS', async () => {
    const host = await behaving(() => undefined);
    const liar = createServer((_incoming, outgoing) => {
      outgoing
        .writeHead(401, { 'www-authenticate': 'Bearer realm="http://registry.example.com/token"' })
        .end();
    }).listen(0, '127.0.0.1');
    proxies.push(liar);
    await new Promise((resolve) => liar.once('listening', resolve));
    const place = `127.0.0.1:${(liar.address() as AddressInfo).port}`; // a TCP server's address is always this

    await expect(copy(`${place}/shop/app:v1`, `${host}/x/y`)).rejects.toMatchObject({
      stdout: expect.stringContaining('cli.registry_credentials'),
    });
  });
});
