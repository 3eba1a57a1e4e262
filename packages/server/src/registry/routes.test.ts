import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { digestOf, Fault, utf8 } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Actor, createHttp, type HttpServer } from '#platform';
import { countingIds, person, silentLog } from '../../test-support/fakes.ts';
import { descriptorOf, manifestOver, ociManifest, openTestRegistry } from './registry.fixture.ts';
import { registryRoutes } from './routes.ts';

let test: Awaited<ReturnType<typeof openTestRegistry>>;
let http: HttpServer;
let url: string;

/** `ann` may do everything below `shop`; `bob` may read `shop/app`. */
async function authorize(actor: Actor, capability: string, path: string): Promise<void> {
  if (actor.name === 'ann' && path.startsWith('registry/shop/')) return;
  if (
    actor.name === 'bob' &&
    (path === 'registry/shop/app' ? capability === 'read' : path.startsWith('registry/bob/'))
  )
    return;
  throw new Fault('denied', 'identity.denied', 'the policy says something secret');
}

beforeAll(async () => {
  test = await openTestRegistry();
  http = await createHttp({
    authenticate: async (token) => {
      if (token !== 'ann' && token !== 'bob')
        throw new Fault('unauthenticated', 'identity.token_refused', 'no');
      return person(token);
    },
    authorize,
    log: silentLog,
    ids: countingIds(),
    config: { host: '127.0.0.1', port: 0, version: 'test', graceSeconds: 1, maxConnections: 100 },
    health: {},
  });
  registryRoutes(test.registry, { authorize })(http);
  url = (await http.listen()).url;
});
afterAll(async () => {
  await http.stop();
  await test.close();
});

const basic = (token: string): string => `Basic ${Buffer.from(`any:${token}`).toString('base64')}`;

async function call(
  method: string,
  path: string,
  init: { body?: Uint8Array | string; headers?: object; as?: string } = {},
) {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: basic(init.as ?? 'ann'), ...init.headers },
    ...(init.body === undefined ? {} : { body: Buffer.from(init.body) }),
    redirect: 'error',
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const text = Buffer.from(bytes).toString();
  return {
    status: response.status,
    header: (name: string) => response.headers.get(name),
    bytes,
    text,
    error: (): string => JSON.parse(text).errors[0].code,
  };
}

async function push(repository: string, bytes: Uint8Array): Promise<string> {
  const done = await call('POST', `/v2/${repository}/blobs/uploads/?digest=${digestOf(bytes)}`, {
    body: bytes,
  });
  expect(done.status).toBe(201);
  return digestOf(bytes);
}

describe('access', () => {
  it('asks for credentials as docker expects, and takes a token as bearer or password', async () => {
    const none = await fetch(`${url}/v2/`);
    expect(none.status).toBe(401);
    expect(none.headers.get('www-authenticate')).toMatch(/^Basic realm="/);
    expect(JSON.parse(await none.text()).errors[0].code).toBe('UNAUTHORIZED');

    expect((await call('GET', '/v2/', { as: 'nobody' })).error()).toBe('UNAUTHORIZED');
    expect((await call('GET', '/v2/')).status).toBe(200);
    expect((await call('HEAD', '/v2/', { headers: { authorization: 'Bearer bob' } })).status).toBe(200);
  });

  it('is by repository and method, and does not explain the policy', async () => {
    const digest = await push('shop/app', utf8('hello'));
    expect((await call('GET', `/v2/shop/app/blobs/${digest}`, { as: 'bob' })).text).toBe('hello');

    for (const [method, path] of [
      ['POST', '/v2/shop/app/blobs/uploads/'],
      ['DELETE', `/v2/shop/app/blobs/${digest}`],
      ['GET', `/v2/shop/other/blobs/${digest}`],
      ['GET', `/v2/shop/app/blobs/uploads/x/manifests/v1`],
    ] as const) {
      const refused = await call(method, path, { as: 'bob' });
      expect([path, refused.status, refused.error()]).toEqual([path, 403, 'DENIED']);
      expect(refused.text).not.toContain('secret');
    }
  });

  it('refuses paths that two readers would read differently', async () => {
    for (const path of [
      '/v2/shop/../bob/x/manifests/v1',
      '/v2/shop/app/%2e%2e/manifests/v1',
      '/v2/shop%2fapp/manifests/v1/x',
      '/v2/Shop/app/manifests/v1',
      '/v2/shop//app/manifests/v1',
      '/v2/manifests/v1',
      '/v2/shop/app/blobs/sha256:ABC',
      '/v2/shop/app',
      `/v2/${'a/'.repeat(200)}a/manifests/v1`,
    ]) {
      const { hostname, port } = new URL(url);
      // Not fetch, which tidies the path before it sends it.
      const status = await new Promise((resolve, reject) => {
        request({ hostname, port, path, headers: { authorization: basic('ann') } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
          .on('error', reject)
          .end();
      });
      expect([400, 403, 404], `${path} ${status}`).toContain(status);
    }
  });
});

describe('uploads', () => {
  it('in chunks keep their place, tell it, and refuse another', async () => {
    const bytes = utf8('0123456789');
    const start = await call('POST', '/v2/shop/app/blobs/uploads/');
    expect(start.status).toBe(202);
    const location = start.header('location') ?? '';
    const chunk = (from: number, to: number) =>
      call('PATCH', location, {
        body: bytes.slice(from, to + 1),
        headers: { 'content-range': `${from}-${to}`, 'content-type': 'application/octet-stream' },
      });

    const first = await chunk(0, 3);
    expect([first.status, first.header('range')]).toEqual([202, '0-3']);
    const gap = await chunk(6, 9);
    expect([gap.status, gap.header('range'), gap.error()]).toEqual([416, '0-3', 'BLOB_UPLOAD_INVALID']);
    const asked = await call('GET', location);
    expect([asked.status, asked.header('range')]).toEqual([204, '0-3']);
    expect((await chunk(4, 7)).header('range')).toBe('0-7');
    const lying = await call('PATCH', location, { body: 'xy', headers: { 'content-range': '8-10' } });
    expect(lying.error()).toBe('BLOB_UPLOAD_INVALID');
    const end = await call('PUT', `${location}?digest=${digestOf(bytes)}`, { body: bytes.slice(8) });

    expect([end.status, end.header('docker-content-digest')]).toEqual([201, digestOf(bytes)]);
    expect((await call('GET', end.header('location') ?? '')).text).toBe('0123456789');
    expect((await call('GET', location)).error()).toBe('BLOB_UPLOAD_UNKNOWN');
  });

  it('with another digest are refused and gone', async () => {
    const start = await call('POST', '/v2/shop/app/blobs/uploads/');
    const location = start.header('location') ?? '';

    expect((await call('PUT', location, { body: 'x' })).error()).toBe('DIGEST_INVALID');
    const wrong = await call('PUT', `${location}?digest=${digestOf(utf8('y'))}`, { body: 'x' });
    expect([wrong.status, wrong.error()]).toEqual([400, 'DIGEST_INVALID']);
    expect((await call('GET', location)).status).toBe(404);
  });

  it('that broke off are resumed where they stopped', async () => {
    const bytes = utf8('resume me '.repeat(10_000));
    const location = (await call('POST', '/v2/shop/app/blobs/uploads/')).header('location') ?? '';
    await new Promise<void>((resolve) => {
      const broken = request(
        `${url}${location}`,
        { method: 'PATCH', headers: { authorization: basic('ann'), 'content-length': bytes.length } },
        () => undefined,
      );
      broken.on('error', () => resolve());
      broken.write(bytes.subarray(0, 50_000), () => setTimeout(() => broken.destroy(), 50));
    });

    let range = '';
    await expect
      .poll(
        async () => {
          range = (await call('GET', location)).header('range') ?? '';
          return range;
        },
        { timeout: 10_000 },
      )
      .not.toBe('0-0');
    const offset = Number(range.split('-')[1]) + 1;
    expect(offset).toBeLessThanOrEqual(50_000);
    const end = await call('PUT', `${location}?digest=${digestOf(bytes)}`, { body: bytes.slice(offset) });

    expect(end.status).toBe(201);
  });

  it('are mounted from a repository the caller may read, and only from there', async () => {
    const open = await push('shop/app', utf8('open'));
    const closed = await push('shop/closed', utf8('closed'));
    const mount = (digest: string, from: string) =>
      call('POST', `/v2/bob/own/blobs/uploads/?mount=${digest}&from=${from}`, { as: 'bob' });

    expect((await mount(open, 'shop/app')).status).toBe(201);
    expect((await call('GET', `/v2/bob/own/blobs/${open}`, { as: 'bob' })).text).toBe('open');
    for (const [digest, from] of [
      [closed, 'shop/closed'],
      [closed, 'shop/app'],
      [open, 'Not/A/Name'],
    ] as const)
      expect((await mount(digest, from)).status).toBe(202);
    expect((await call('GET', `/v2/bob/own/blobs/${closed}`, { as: 'bob' })).status).toBe(404);
  });

  it('are mounted without a source from wherever the caller may read, and from nowhere else', async () => {
    const open = await push('shop/app', utf8('open to all who read'));
    const closed = await push('shop/closed', utf8('closed to most'));
    const mount = (digest: string) =>
      call('POST', `/v2/bob/any/blobs/uploads/?mount=${digest}`, { as: 'bob' });

    expect((await mount(open)).status).toBe(201);
    expect((await call('GET', `/v2/bob/any/blobs/${open}`, { as: 'bob' })).text).toBe('open to all who read');
    expect((await mount(closed)).status).toBe(202);
    expect((await mount(digestOf(utf8('nobody has it')))).status).toBe(202);
    expect((await call('GET', `/v2/bob/any/blobs/${closed}`, { as: 'bob' })).status).toBe(404);
  });
});

describe('SHA-512', () => {
  const sha512Of = (bytes: Uint8Array): string =>
    `sha512:${createHash('sha512').update(bytes).digest('hex')}`;

  it('names blobs in every way of pushing, and manifests over them', async () => {
    const bytes = utf8('named by the longer hash');
    const digest = sha512Of(bytes);
    const uploads = '/v2/shop/long/blobs/uploads/';
    expect((await call('POST', `${uploads}?digest=${digest}`, { body: bytes })).status).toBe(201);
    const start = await call('POST', `${uploads}?digest-algorithm=sha512`);
    const again = await call('PUT', `${start.header('location')}?digest=${digest}`, { body: bytes });
    expect([again.status, again.header('docker-content-digest')]).toEqual([201, digest]);
    expect((await call('GET', `/v2/shop/long/blobs/${digest}`)).text).toBe('named by the longer hash');
    expect((await call('GET', `/v2/shop/long/blobs/${digestOf(bytes)}`)).status).toBe(404);

    const config = { ...descriptorOf(bytes, 'application/vnd.oci.image.config.v1+json'), digest };
    const manifest = manifestOver([], bytes, { config });
    const name = sha512Of(manifest);
    const put = await call('PUT', `/v2/shop/long/manifests/${name}?tag=one&tag=two`, {
      body: manifest,
      headers: { 'content-type': ociManifest },
    });
    expect([put.status, put.header('oci-tag')]).toEqual([201, 'one, two']);
    for (const reference of [name, 'one', 'two']) {
      const got = await call('GET', `/v2/shop/long/manifests/${reference}`);
      expect(got.header('docker-content-digest')).toBe(name);
      expect(sha512Of(got.bytes)).toBe(name);
    }
  });

  it('is verified like the other', async () => {
    const uploads = '/v2/shop/long/blobs/uploads/';
    const other = await call('POST', `${uploads}?digest=${sha512Of(utf8('this'))}`, { body: utf8('that') });
    expect([other.status, other.error()]).toEqual([400, 'DIGEST_INVALID']);
    await push('shop/long', utf8('{}'));
    const manifest = await call('PUT', `/v2/shop/long/manifests/${sha512Of(utf8('this'))}`, {
      body: manifestOver([], utf8('{}')),
      headers: { 'content-type': ociManifest },
    });
    expect([manifest.status, manifest.error()]).toEqual([400, 'DIGEST_INVALID']);
  });
});

describe('reading', () => {
  it('gives ranges', async () => {
    const digest = await push('shop/app', utf8('0123456789'));
    const get = (range: string) => call('GET', `/v2/shop/app/blobs/${digest}`, { headers: { range } });

    for (const [range, status, text, contentRange] of [
      ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
      ['bytes=7-', 206, '789', 'bytes 7-9/10'],
      ['bytes=-3', 206, '789', 'bytes 7-9/10'],
      ['bytes=5-999', 206, '56789', 'bytes 5-9/10'],
      ['bytes=-999', 206, '0123456789', 'bytes 0-9/10'],
      ['bytes=4-2', 200, '0123456789', null],
      ['bytes=0-1,3-4', 200, '0123456789', null],
      ['pages=1-2', 200, '0123456789', null],
    ] as const) {
      const got = await get(range);
      expect([range, got.status, got.text, got.header('content-range')]).toEqual([
        range,
        status,
        text,
        contentRange,
      ]);
    }
    for (const range of ['bytes=10-', 'bytes=99-100', 'bytes=-0']) {
      const got = await get(range);
      expect([range, got.status, got.header('content-range')]).toEqual([range, 416, 'bytes */10']);
    }
    const head = await call('HEAD', `/v2/shop/app/blobs/${digest}`);
    expect([head.status, head.header('content-length'), head.text]).toEqual([200, '10', '']);
  });

  it('serves an empty blob', async () => {
    const digest = await push('shop/app', new Uint8Array());
    const got = await call('GET', `/v2/shop/app/blobs/${digest}`);
    expect([got.status, got.bytes.length]).toEqual([200, 0]);
  });
});

describe('manifests', () => {
  const config = utf8('{}');
  async function pushManifest(repository: string, reference: string, more: object = {}) {
    await push(repository, config);
    const bytes = manifestOver([], config, more);
    const done = await call('PUT', `/v2/${repository}/manifests/${reference}`, {
      body: bytes,
      headers: { 'content-type': ociManifest },
    });
    return { ...done, bytes, digest: digestOf(bytes) };
  }

  it('come back byte for byte, by tag, digest and HEAD', async () => {
    const put = await pushManifest('shop/man', 'v1');
    expect([put.status, put.header('location')]).toEqual([201, `/v2/shop/man/manifests/${put.digest}`]);

    for (const reference of ['v1', put.digest]) {
      const got = await call('GET', `/v2/shop/man/manifests/${reference}`);
      expect(got.header('content-type')).toBe(ociManifest);
      expect(createHash('sha256').update(got.bytes).digest('hex')).toBe(put.digest.slice(7));
      const head = await call('HEAD', `/v2/shop/man/manifests/${reference}`);
      expect([head.status, head.header('docker-content-digest')]).toEqual([200, put.digest]);
    }
    expect((await call('GET', '/v2/shop/man/manifests/v2')).error()).toBe('MANIFEST_UNKNOWN');
    expect((await call('HEAD', '/v2/shop/man/manifests/v2')).status).toBe(404);
  });

  it('under a tag that is taken are refused with DENIED and the reason', async () => {
    const first = await pushManifest('shop/tag', 'v1');
    expect((await pushManifest('shop/tag', 'v1')).status).toBe(201);

    const second = await pushManifest('shop/tag', 'v1', { annotations: { other: 'yes' } });

    expect([second.status, second.error()]).toEqual([403, 'DENIED']);
    expect(second.text).toContain('immutable');
    expect(second.text).toContain(first.digest);
  });

  it('that are malformed, incomplete or huge are refused with their code', async () => {
    const put = (body: string | Uint8Array, type = ociManifest) =>
      call('PUT', '/v2/shop/bad/manifests/v1', { body, headers: { 'content-type': type } });

    expect((await put('{')).error()).toBe('MANIFEST_INVALID');
    expect((await put('{}', 'text/plain')).error()).toBe('MANIFEST_INVALID');
    expect((await put(manifestOver([], utf8('missing')))).error()).toBe('MANIFEST_BLOB_UNKNOWN');
    const huge = await put(' '.repeat(5 * 1024 * 1024));
    expect([huge.status, huge.error()]).toEqual([413, 'SIZE_INVALID']);
  });

  it('list referrers page by page, none of which a few of them can make large', async () => {
    const subject = await pushManifest('shop/many', 'v1');
    const about = { subject: descriptorOf(subject.bytes, ociManifest) };
    const large = manifestOver([], utf8('{}'), { ...about, annotations: { note: 'x'.repeat(70_000) } });
    const refused = await call('PUT', '/v2/shop/many/manifests/large', {
      body: large,
      headers: { 'content-type': ociManifest },
    });
    expect([refused.status, refused.error()]).toEqual([400, 'MANIFEST_INVALID']);

    const names: string[] = [];
    for (let at = 0; at < 101; at += 1)
      names.push(
        (await pushManifest('shop/many', `r${at}`, { ...about, annotations: { at: `${at}` } })).digest,
      );
    const first = await call('GET', `/v2/shop/many/referrers/${subject.digest}`);
    const next = /<([^>]+)>; rel="next"/.exec(first.header('link') ?? '')?.[1] ?? '';
    const second = await call('GET', next);
    const listed = [first, second].map((page) => JSON.parse(page.text).manifests as { digest: string }[]);
    expect(listed.map((page) => page.length)).toEqual([100, 1]);
    expect(listed.flat().map(({ digest }) => digest)).toEqual([...names].sort());
    expect(second.header('link')).toBeNull();
  });

  it('list referrers, filtered when asked, and say so', async () => {
    const subject = await pushManifest('shop/ref', 'v1');
    const sbom = await pushManifest('shop/ref', 'sbom', {
      artifactType: 'application/vnd.cyclonedx+json',
      subject: descriptorOf(subject.bytes, ociManifest),
    });
    expect(sbom.header('oci-subject')).toBe(subject.digest);

    const all = await call('GET', `/v2/shop/ref/referrers/${subject.digest}`);
    expect(all.header('oci-filters-applied')).toBeNull();
    // Whole: clients compare it without reading parameters.
    expect(all.header('content-type')).toBe('application/vnd.oci.image.index.v1+json');
    expect(JSON.parse(all.text)).toEqual({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [
        {
          mediaType: ociManifest,
          digest: sbom.digest,
          size: sbom.bytes.length,
          artifactType: 'application/vnd.cyclonedx+json',
        },
      ],
    });
    const other = await call('GET', `/v2/shop/ref/referrers/${subject.digest}?artifactType=application/x`);
    expect([other.header('oci-filters-applied'), JSON.parse(other.text).manifests]).toEqual([
      'artifactType',
      [],
    ]);
    expect(
      JSON.parse((await call('GET', `/v2/shop/new/referrers/${subject.digest}`)).text).manifests,
    ).toEqual([]);
  });

  it('take many tags at once, all or none', async () => {
    const first = await pushManifest('shop/many', 'v1');
    const digest = digestOf(manifestOver([], config, { annotations: { n: '2' } }));
    const tagged = (...tags: string[]) =>
      pushManifest('shop/many', `${digest}?${tags.map((tag) => `tag=${tag}`).join('&')}`, {
        annotations: { n: '2' },
      });

    expect((await tagged('v2', 'v1')).error()).toBe('DENIED');
    expect((await call('GET', '/v2/shop/many/manifests/v2')).status).toBe(404);
    expect((await tagged('v2', 'no/tag')).error()).toBe('MANIFEST_INVALID');
    expect((await tagged(...Array.from({ length: 51 }, (_, n) => `t${n}`))).status).toBe(414);
    expect((await tagged('v2', 'v3')).header('oci-tag')).toBe('v2, v3');
    expect((await call('GET', '/v2/shop/many/manifests/v1')).header('docker-content-digest')).toBe(
      first.digest,
    );
  });

  it('may name a layer that only its maker hands out, and no other that is absent', async () => {
    const layer = (mediaType: string, digest: string = digestOf(utf8('elsewhere'))) => ({
      layers: [{ mediaType, digest, size: 9, urls: ['https://example.com/layer'] }],
    });
    const foreign = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip';
    expect((await pushManifest('shop/foreign', 'v1', layer(foreign))).status).toBe(201);
    const usual = await pushManifest(
      'shop/foreign',
      'v2',
      layer('application/vnd.oci.image.layer.v1.tar+gzip'),
    );
    expect(usual.error()).toBe('MANIFEST_BLOB_UNKNOWN');
    // Where it is there, its size has to be right all the same.
    const there = await push('shop/foreign', utf8('is here'));
    expect((await pushManifest('shop/foreign', 'v3', layer(foreign, there))).error()).toBe(
      'MANIFEST_INVALID',
    );
  });

  it('list tags in pages', async () => {
    for (const tag of ['b', 'a', 'C', 'd']) await pushManifest('shop/list', tag);

    const first = await call('GET', '/v2/shop/list/tags/list?n=3');
    expect(JSON.parse(first.text)).toEqual({ name: 'shop/list', tags: ['C', 'a', 'b'] });
    const next = /<([^>]+)>; rel="next"/.exec(first.header('link') ?? '')?.[1] ?? '';
    const second = await call('GET', next);
    expect([JSON.parse(second.text).tags, second.header('link')]).toEqual([['d'], null]);
    expect((await call('GET', '/v2/shop/none/tags/list')).error()).toBe('NAME_UNKNOWN');
    expect((await call('GET', '/v2/shop/list/tags/list?n=-1')).status).toBe(400);
  });

  it('are deleted by those who may', async () => {
    const { digest } = await pushManifest('shop/gone', 'v1');
    expect((await call('DELETE', `/v2/shop/gone/manifests/${digest}`, { as: 'bob' })).status).toBe(403);
    expect((await call('DELETE', `/v2/shop/gone/manifests/${digest}`)).status).toBe(202);
    expect((await call('GET', '/v2/shop/gone/manifests/v1')).status).toBe(404);
  });
});
