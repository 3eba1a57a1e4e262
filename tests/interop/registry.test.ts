import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Fault, writeTar } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHttp, type HttpServer } from '../../packages/server/src/platform/index.ts';
import { openTestRegistry } from '../../packages/server/src/registry/registry.fixture.ts';
import { registryRoutes } from '../../packages/server/src/registry/routes.ts';
import { countingIds, person, silentLog } from '../../packages/server/test-support/fakes.ts';

/**
 * The registry against go-containerregistry's `crane`, which knows nothing of us. Set CRANE to its path, or have it in
 * PATH; without it the test is skipped and says so.
 */
const crane = process.env['CRANE'] ?? 'crane';
const run = promisify(execFile);
const found = await run(crane, ['version']).then(
  () => true,
  () => false,
);
if (!found)
  console.warn(
    'skipped: crane is not installed (go install github.com/google/go-containerregistry/cmd/crane@latest)',
  );

describe.skipIf(!found)('crane', () => {
  let test: Awaited<ReturnType<typeof openTestRegistry>>;
  let http: HttpServer;
  let host: string;
  let directory: string;

  beforeAll(async () => {
    test = await openTestRegistry();
    directory = await mkdtemp(join(tmpdir(), 'sallyport-crane-'));
    const authorize = async (): Promise<void> => undefined;
    http = await createHttp({
      authenticate: async (token) => {
        if (token !== 'sp_test') throw new Fault('unauthenticated', 'identity.token_refused', 'no');
        return person('ann');
      },
      authorize,
      log: silentLog,
      ids: countingIds(),
      config: { host: '127.0.0.1', port: 0, version: 'test', graceSeconds: 1, maxConnections: 100 },
      health: {},
    });
    registryRoutes(test.registry, { authorize })(http);
    host = `127.0.0.1:${(await http.listen()).port}`;
  });
  afterAll(async () => {
    await http.stop();
    await test.close();
    await rm(directory, { recursive: true });
  });

  async function call(...args: string[]): Promise<string> {
    const { stdout } = await run(crane, args, {
      env: { PATH: process.env['PATH'], HOME: directory, DOCKER_CONFIG: directory },
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout.trim();
  }
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
    await call('auth', 'login', host, '-u', 'any', '-p', 'sp_test');
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
