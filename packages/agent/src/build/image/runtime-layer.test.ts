import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf, utf8 } from '@sallyport/formats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FetchedTool } from '../../egress/index.ts';
import { runtimeLayer } from './runtime-layer.ts';

let directory: string;
let tool: FetchedTool;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sp-'));
  const unpacked = join(directory, 'tool');
  await mkdir(unpacked);
  await writeFile(join(unpacked, 'cli.js'), 'console.log(1)');
  tool = {
    name: 'tool',
    version: '1.0.0',
    directory: unpacked,
    mountPath: '/opt/tools/tool',
    binPath: '/opt/tools/tool/.bin',
    commands: [],
    material: { uri: 'pkg:npm/tool@1.0.0', digest: { sha512: 'ab' }, kind: 'tool' },
  };
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const layers = () => join(directory, 'layers');
const make = async (trust: 'trusted' | 'untrusted') =>
  (await runtimeLayer([tool], { withHostLibraries: false, directory: layers(), trust })).layer.descriptor
    .digest;

describe('the cache of runtime layers', () => {
  it('gives the same layer with and without it', async () => {
    const first = await make('trusted');
    const cached = await make('trusted');
    await rm(layers(), { recursive: true });

    expect(cached).toBe(first);
    expect(await make('trusted')).toBe(first);
  });

  it('never gives a trusted run what lies in the part of untrusted ones, however well it is forged', async () => {
    const genuine = await make('untrusted');
    const [key = ''] = (await readdir(join(layers(), 'untrusted'))).filter((name) => !name.endsWith('.json'));
    const evil = utf8('another layer');
    await writeFile(join(layers(), 'untrusted', key), evil);
    await writeFile(
      join(layers(), 'untrusted', `${key}.json`),
      JSON.stringify({ digest: digestOf(evil), diffId: digestOf(evil) }),
    );

    expect(await make('untrusted')).toBe(digestOf(evil));
    expect(await make('trusted')).toBe(genuine);
  });
});
