import { describe, expect, it } from 'vitest';
import { utf8 } from '../bytes/bytes.ts';
import { digestOf } from '../bytes/digest.ts';
import { isFault } from '../fault.ts';
import { parseDescriptor, parseImageConfig, parseImageIndex, parseImageManifest } from './parse.ts';
import { parseManifestReference, parseReference, parseRepositoryName, parseTag } from './reference.ts';
import { emptyBlob, mediaTypes } from './types.ts';

const digest = digestOf(utf8('blob'));
const descriptor = { mediaType: mediaTypes.ociLayerGzip, digest, size: 4 };
const manifest = {
  schemaVersion: 2,
  mediaType: mediaTypes.ociManifest,
  config: { ...descriptor, mediaType: mediaTypes.ociConfig },
  layers: [descriptor],
};
const bytesOf = (json: unknown) => utf8(JSON.stringify(json));

describe('image documents', () => {
  it('are read, unknown fields passed over', () => {
    const read = parseImageManifest(bytesOf({ ...manifest, future: { a: 1 }, annotations: { k: 'v' } }));

    expect(read).toEqual({ ...manifest, annotations: { k: 'v' } });
    expect(parseImageIndex(bytesOf({ schemaVersion: 2, manifests: [descriptor] })).manifests).toEqual([
      descriptor,
    ]);
  });

  it('may be written by Go, with null for empty lists', () => {
    const config = parseImageConfig(
      bytesOf({
        architecture: 'amd64',
        os: 'linux',
        config: { Cmd: null, Env: ['A=b'], Labels: null },
        rootfs: { type: 'layers', diff_ids: [digest] },
        history: [{ created_by: 'x' }],
      }),
    );

    expect(config.config).toEqual({ Cmd: [], Env: ['A=b'], Labels: {} });
    expect(config.rootfs.diff_ids).toEqual([digest]);
  });

  it.each([
    ['version 1', { ...manifest, schemaVersion: 1 }],
    ['another media type', { ...manifest, mediaType: mediaTypes.ociIndex }],
    ['no config', { ...manifest, config: undefined }],
    ['layers that are no list', { ...manifest, layers: {} }],
    ['a negative size', { ...manifest, layers: [{ ...descriptor, size: -1 }] }],
    ['a size that is text', { ...manifest, layers: [{ ...descriptor, size: '4' }] }],
    [
      'a digest of another algorithm',
      { ...manifest, layers: [{ ...descriptor, digest: `sha512:${'a'.repeat(128)}` }] },
    ],
    ['a digest with a path in it', { ...manifest, layers: [{ ...descriptor, digest: 'sha256:../../etc' }] }],
    ['an annotation that is a number', { ...manifest, annotations: { a: 1 } }],
    ['a manifest that is an index as well', { ...manifest, manifests: [] }],
    ['a list', []],
    ['null', null],
  ])('are refused with %s', (_, json) => {
    expect(() => parseImageManifest(bytesOf(json))).toThrow(/expected/);
  });

  it('are refused when they are an index and a manifest, also as an index', () => {
    expect(() => parseImageIndex(bytesOf({ schemaVersion: 2, manifests: [], layers: [] }))).toThrow(/both/);
  });

  it('are refused with duplicate keys, trailing data or too many bytes', () => {
    const text = JSON.stringify(manifest);
    for (const hostile of [
      `${text}x`,
      text.replace('{', '{"schemaVersion":2,'),
      `${text}${' '.repeat(4 * 1024 ** 2)}`,
    ]) {
      expect(() => parseImageManifest(utf8(hostile))).toThrow(/expected/);
    }
    expect(() => parseImageManifest(Uint8Array.of(0xff))).toThrow(/UTF-8/);
  });

  it('point to an empty config by its well-known digest', () => {
    expect(digestOf(emptyBlob)).toBe(
      'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
    );
    expect(parseDescriptor(descriptor)).toEqual(descriptor);
  });
});

describe('references', () => {
  it.each([
    ['orders', { repository: 'orders' }],
    ['shop/orders:v1', { repository: 'shop/orders', tag: 'v1' }],
    ['localhost/orders', { host: 'localhost', repository: 'orders' }],
    ['127.0.0.1:5000/a/b__c--d.e:T_1', { host: '127.0.0.1:5000', repository: 'a/b__c--d.e', tag: 'T_1' }],
    [`ghcr.io/x/y:1@${digest}`, { host: 'ghcr.io', repository: 'x/y', tag: '1', digest }],
    [`[::1]:5000/x@${digest}`, { host: '[::1]:5000', repository: 'x', digest }],
  ])('read %s', (text, parts) => {
    expect(parseReference(text)).toEqual(parts);
  });

  it.each([
    '',
    '/',
    'UPPER',
    'a//b',
    '../etc',
    'a/../b',
    'a/',
    '.a',
    'a..b',
    'a___b',
    '-a',
    'a:',
    'a:b:c',
    'a@sha256:x',
    'a b',
    'host.example/',
    'a\n',
    `a:${'t'.repeat(129)}`,
    `a@${digest}@${digest}`,
  ])('refuse %j', (text) => {
    expect(() => parseReference(text)).toThrow(/expected/);
  });

  it('tell tags and digests apart', () => {
    expect(parseManifestReference('v1')).toEqual({ kind: 'tag', tag: 'v1' });
    expect(parseManifestReference(digest)).toEqual({ kind: 'digest', digest });
    expect(() => parseManifestReference('md5:abc')).toThrow(/sha256/);
    expect(() => parseTag('.hidden')).toThrow(/a tag/);
  });

  it('are judged in a time linear in their length', () => {
    const started = performance.now();
    for (const text of [`${'a-'.repeat(127)}!`, `${'a/'.repeat(127)}!`, `${'-'.repeat(254)}a`]) {
      let refused = false;
      try {
        parseRepositoryName(text);
      } catch (error) {
        refused = isFault(error);
      }
      expect(refused).toBe(true);
    }
    expect(performance.now() - started).toBeLessThan(200);
  });
});
