import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './installation.ts';
import { cleanEnvironment, type Program, program, serverProgram } from './program.ts';

/** Servers that answer /v1, each a process of its own; several share a PostgreSQL. */
export interface VaultServers {
  readonly servers: readonly Program[];
  readonly directory: string;
  readonly rootToken: string;
  readonly addresses: readonly string[];
  /** One request to one server; never throws for a status. Throws when no whole answer came. */
  request(server: number, method: string, path: string, options?: VaultRequest): Promise<VaultAnswer>;
  close(): Promise<void>;
}

export interface VaultRequest {
  readonly token?: string;
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

export interface VaultAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>> | undefined;
}

export async function startVaultServers(
  options: {
    readonly servers?: number;
    readonly databaseUrl?: string;
    readonly flags?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly nodeFlags?: (directory: string) => readonly string[];
  } = {},
): Promise<VaultServers> {
  const directory = mkdtempSync(join(tmpdir(), 'sally-vault-'));
  const rootToken = 'root-token-of-a-test';
  const env = cleanEnvironment({
    SALLYPORT_DEV_ROOT_TOKEN: rootToken,
    ...options.env,
    ...(options.databaseUrl === undefined ? {} : { DATABASE_URL: options.databaseUrl }),
  });
  const ports = await freePorts(options.servers ?? 1);
  const servers = ports.map((port, index) =>
    program(
      `server-${index}`,
      serverProgram,
      join(directory, `server-${index}.log`),
      env,
      [
        '--dev',
        '--data-directory',
        join(directory, 'data'),
        '--listen-port',
        String(port),
        '--public-url',
        `http://127.0.0.1:${ports[0]}`,
        ...(options.flags ?? []),
      ],
      options.nodeFlags?.(directory),
    ),
  );
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.kill()));
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    // One after the other: the first migrates and makes the keys.
    for (const server of servers) await server.start();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    servers,
    directory,
    rootToken,
    addresses: ports.map((port) => `http://127.0.0.1:${port}`),
    async request(server, method, path, { token = rootToken, body, timeoutMs = 20_000 } = {}) {
      const answer = await fetch(`http://127.0.0.1:${ports[server]}/v1/${path}`, {
        method,
        headers: { 'x-vault-token': token },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(timeoutMs),
      });
      const text = await answer.text();
      return {
        status: answer.status,
        body: text === '' ? undefined : (JSON.parse(text) as VaultAnswer['body']),
      };
    },
    close,
  };
}
