import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Fault } from '@sallyport/formats';
import { createHttp } from '../../packages/server/src/platform/index.ts';
import { openTestRegistry } from '../../packages/server/src/registry/registry.fixture.ts';
import { registryRoutes } from '../../packages/server/src/registry/routes.ts';
import { countingIds, person, silentLog } from '../../packages/server/test-support/fakes.ts';

const execute = promisify(execFile);

/** The only token the server takes. */
export const password = 'sp_test';

/** The registry behind a real HTTP server on loopback, and a home directory for the clients that call it. */
export async function openRegistryServer(name: string) {
  const test = await openTestRegistry();
  const directory = await mkdtemp(join(tmpdir(), `sallyport-${name}-`));
  const authorize = async (): Promise<void> => undefined;
  const http = await createHttp({
    authenticate: async (token) => {
      if (token !== password) throw new Fault('unauthenticated', 'identity.token_refused', 'no');
      return person('ann');
    },
    authorize,
    log: silentLog,
    ids: countingIds(),
    config: { host: '127.0.0.1', port: 0, version: 'test', graceSeconds: 1, maxConnections: 100 },
    health: {},
  });
  registryRoutes(test.registry, { authorize })(http);
  const host = `127.0.0.1:${(await http.listen()).port}`;
  return {
    ...test,
    host,
    directory,
    /** What a foreign program prints; nothing of this process's environment but PATH reaches it. */
    async run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
      const { stdout } = await execute(program, args, {
        cwd: directory,
        env: { PATH: process.env['PATH'], HOME: directory, DOCKER_CONFIG: directory, ...env },
        maxBuffer: 64 * 1024 * 1024,
      });
      return stdout.trim();
    },
    async close() {
      await http.stop();
      await test.close();
      await rm(directory, { recursive: true });
    },
  };
}

/** Whether a program is there; when it is not, says what is skipped and how to get it. */
export async function isThere(program: string, args: readonly string[], hint: string): Promise<boolean> {
  try {
    await execute(program, args);
    return true;
  } catch {
    console.warn(`skipped: ${program} is not installed (${hint})`);
    return false;
  }
}
