import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Client, createClientOn, createFailover, createTransport } from '@sallyport/sdk';

/** One of the real programs, as its own process: it can be killed as a power cut would, and started again. */
export interface Program {
  readonly name: string;
  /** The first line it printed when it was ready. */
  readonly ready: Readonly<Record<string, unknown>>;
  pid(): number;
  /** SIGKILL, and resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and resolves when it has ended by itself. */
  stop(): Promise<void>;
  /** Starts it with the same arguments, and resolves when it is ready. */
  start(): Promise<void>;
  /** What it logged so far, over all its starts. */
  log(): string;
}

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

const serverProgram = fileURLToPath(new URL('../../packages/server/src/main.ts', import.meta.url));
const agentProgram = fileURLToPath(new URL('../../packages/agent/src/main.ts', import.meta.url));
const startMs = 60_000;

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

function program(
  name: string,
  entry: string,
  logFile: string,
  env: NodeJS.ProcessEnv,
  args: readonly string[],
): Program {
  let child: ChildProcess | undefined;
  let ready: Readonly<Record<string, unknown>> = {};
  const log = (): string => readFileSync(logFile, 'utf8');
  const gone = async (signal: NodeJS.Signals): Promise<void> => {
    const process = child;
    if (process === undefined || process.exitCode !== null || process.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => process.once('exit', () => resolve()));
    process.kill(signal);
    await ended;
  };
  return {
    name,
    get ready() {
      return ready;
    },
    pid: () => child?.pid ?? 0,
    kill: () => gone('SIGKILL'),
    stop: () => gone('SIGTERM'),
    log,
    async start() {
      const output = openSync(logFile, 'a');
      const started = spawn(process.execPath, [entry, ...args], { env, stdio: ['ignore', 'pipe', output] });
      closeSync(output);
      child = started;
      const late = new AbortController();
      ready = await Promise.race([
        firstLine(started, name, log).finally(() => late.abort()),
        sleep(startMs, undefined, { signal: late.signal }).then(() => {
          throw new Error(`the ${name} was not ready after ${startMs} ms:\n${log().slice(-4000)}`);
        }),
      ]);
    },
  };
}

function firstLine(
  child: ChildProcess,
  name: string,
  log: () => string,
): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.once('exit', (code, signal) =>
      reject(
        new Error(`the ${name} ended with ${signal ?? code} before it was ready:\n${log().slice(-4000)}`),
      ),
    );
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      const end = text.indexOf('\n');
      if (end !== -1) resolve(JSON.parse(text.slice(0, end)) as Record<string, unknown>); // its own ready line
    });
  });
}

/** Only what the programs need: a developer's own settings must not decide a test. */
function cleanEnvironment(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'LANG'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(kept), ...more };
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
