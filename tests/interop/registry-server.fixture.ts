import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Fault } from '@sallyport/formats';
import { type Actor, createHttp, systemClock } from '../../packages/server/src/platform/index.ts';
import { createAccessTokens } from '../../packages/server/src/registry/access/tokens.ts';
import { openTestRegistry, sealForTests } from '../../packages/server/src/registry/registry.fixture.ts';
import { registryRoutes } from '../../packages/server/src/registry/routes.ts';
import { countingIds, person, silentLog } from '../../packages/server/test-support/fakes.ts';

const execute = promisify(execFile);

/** The only token the server takes. */
export const password = 'sp_test';

/** The registry behind a real HTTP server on loopback, and a home directory for the clients that call it. They log in for tokens. */
export async function openRegistryServer(name: string) {
  const test = await openTestRegistry();
  const directory = await mkdtemp(join(tmpdir(), `sallyport-${name}-`));
  const authorize = async (): Promise<void> => undefined;
  const authenticate = async (token: string): Promise<Actor> => {
    if (token !== password) throw new Fault('unauthenticated', 'identity.token_refused', 'no');
    return person('ann');
  };
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const tokens = createAccessTokens({
    seal: sealForTests(),
    authenticate,
    authorize,
    clock: systemClock,
    realm: `http://${host}/v2/token`,
    service: 'sallyport',
  });
  const http = await createHttp({
    authenticate,
    authorize,
    log: silentLog,
    ids: countingIds(),
    config: { host: '127.0.0.1', port, version: 'test', graceSeconds: 1, maxConnections: 100 },
    health: {},
  });
  registryRoutes(test.registry, { authorize, tokens })(http);
  await http.listen();
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

/** The realm of the tokens has to be known before the server listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // a TCP server's address is always this
  server.close();
  await once(server, 'close');
  return port;
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
