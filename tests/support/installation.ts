import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Client, createClientOn, createFailover, createTransport } from '@sallyport/sdk';
import { cleanEnvironment, type Program, program, serverProgram } from './program.ts';

export interface Installation {
  readonly directory: string;
  readonly address: string;
  readonly servers: readonly Program[];
  readonly server: Program;
  readonly agent: Program;
  /** A client at one of the servers, or at whichever answers. */
  client(token?: string, server?: number): Client;
  /** Works once, for the first administrator. */
  readonly bootstrapToken: string;
  close(): Promise<void>;
}

export interface InstallationOptions {
  /** The npm registry that the agent's mirror asks. */
  readonly packages: string;
  /** Several servers need a database that they can share. */
  readonly servers?: number;
  readonly databaseUrl?: string;
}

const agentProgram = fileURLToPath(new URL('../../packages/agent/src/main.ts', import.meta.url));

export async function startInstallation(options: InstallationOptions): Promise<Installation> {
  const directory = mkdtempSync(join(tmpdir(), 'sally-'));
  const data = join(directory, 'data');
  mkdirSync(data, { mode: 0o700 });
  const env = cleanEnvironment({
    ...(options.databaseUrl === undefined ? {} : { DATABASE_URL: options.databaseUrl }),
    npm_config_registry: options.packages,
    npm_config_userconfig: join(directory, 'npmrc'),
  });
  const ports = await freePorts(options.servers ?? 1);
  const addresses = ports.map((port) => `http://127.0.0.1:${port}`);
  const servers = ports.map((port, index) =>
    program(`server-${index}`, serverProgram, join(directory, `server-${index}.log`), env, [
      '--local-agent',
      '--data-directory',
      data,
      '--listen-port',
      String(port),
      // All of them are reached as one: behind it would stand a proxy.
      '--public-url',
      addresses[0] ?? '',
    ]),
  );
  const agent = program('agent', agentProgram, join(directory, 'agent.log'), env, [
    'run',
    ...addresses.flatMap((address) => ['--address', address]),
    '--token-file',
    join(data, 'agent-token'),
    '--data',
    join(directory, 'agent'),
  ]);
  const close = async (): Promise<void> => {
    await Promise.all([agent, ...servers].map((each) => each.kill()));
    rmSync(directory, { recursive: true, force: true });
  };
  const [server] = servers;
  if (server === undefined) throw new Error('expected at least one server');
  try {
    // One after the other: the first migrates and makes the keys.
    for (const each of servers) await each.start();
    await agent.start();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    directory,
    address: addresses[0] ?? '',
    servers,
    server,
    agent,
    client: (token, index) => {
      const chosen = index === undefined ? addresses : addresses.slice(index, index + 1);
      const login = token === undefined ? {} : { token };
      return createClientOn(createFailover(chosen.map((address) => createTransport({ address, ...login }))));
    },
    bootstrapToken: String(server.ready['bootstrapToken']),
    close,
  };
}

/** Asked for all at once, so that none is given twice. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
