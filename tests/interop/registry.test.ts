import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeTar } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isThere, openRegistryServer, password } from './registry-server.fixture.ts';

/**
 * The registry against go-containerregistry's `crane`, which knows nothing of us. Set CRANE to its path, or have it in
 * PATH; without it the test is skipped and says so.
 */
const crane = process.env['CRANE'] ?? 'crane';
const found = await isThere(
  crane,
  ['version'],
  'go install github.com/google/go-containerregistry/cmd/crane@latest',
);

describe.skipIf(!found)('crane', () => {
  let server: Awaited<ReturnType<typeof openRegistryServer>>;
  let host: string;
  let directory: string;

  beforeAll(async () => {
    server = await openRegistryServer('crane');
    ({ host, directory } = server);
  });
  afterAll(() => server.close());

  const call = (...args: string[]): Promise<string> => server.run(crane, args);
  async function layer(name: string): Promise<string> {
    const file = join(directory, `${name}.tar`);
    const content = new Uint8Array(randomBytes(3_000_000));
    await writeFile(
      file,
      writeTar([{ path: `${name}.bin`, type: 'file', mode: 0o644, mtimeSeconds: 0, body: content }]),
    );
    return file;
  }

  it('is refused without credentials', async () => {
    await expect(call('ls', `${host}/shop/app`)).rejects.toThrow(/UNAUTHORIZED/);
  });

  it('logs in, pushes, lists, validates and pulls back the same image', async () => {
    await call('auth', 'login', host, '-u', 'any', '-p', password);
    await call('append', '-f', await layer('one'), '-t', `${host}/shop/app:v1`);

    expect(await call('ls', `${host}/shop/app`)).toBe('v1');
    const digest = await call('digest', `${host}/shop/app:v1`);
    expect(await call('manifest', `${host}/shop/app@${digest}`)).toContain('"layers"');
    await call('validate', '--remote', `${host}/shop/app:v1`);
    await call('pull', '--format=oci', `${host}/shop/app@${digest}`, join(directory, 'layout'));
    expect(await readFile(join(directory, 'layout/index.json'), 'utf8')).toContain(digest);

    await call('push', join(directory, 'layout'), `${host}/shop/again:v1`);
    expect(await call('digest', `${host}/shop/again:v1`)).toBe(digest);
  });

  it('copies by mounting, and keeps the digest', async () => {
    await call('copy', `${host}/shop/app:v1`, `${host}/shop/copy:v1`);

    expect(await call('digest', `${host}/shop/copy:v1`)).toBe(await call('digest', `${host}/shop/app:v1`));
    await call('validate', '--remote', `${host}/shop/copy:v1`);
  });

  it('cannot move a tag, and shows why', async () => {
    const before = await call('digest', `${host}/shop/app:v1`);

    await expect(call('append', '-f', await layer('two'), '-t', `${host}/shop/app:v1`)).rejects.toThrow(
      /DENIED.*immutable/,
    );
    expect(await call('digest', `${host}/shop/app:v1`)).toBe(before);
  });

  it('deletes by digest', async () => {
    const digest = await call('digest', `${host}/shop/copy:v1`);
    await call('delete', `${host}/shop/copy@${digest}`);

    await expect(call('digest', `${host}/shop/copy:v1`)).rejects.toThrow(/MANIFEST_UNKNOWN|404/);
  });
});
