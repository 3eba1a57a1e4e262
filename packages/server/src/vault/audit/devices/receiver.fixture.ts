import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Audit lines of a test: each JSON, each with its newline. */
export function line(n: number, size = 0): Buffer {
  return Buffer.from(`{"type":"request","n":${n},"fill":"${'x'.repeat(size)}"}\n`);
}

/** The `n` of each line in a text. */
export function numbersIn(text: string): number[] {
  return text
    .split('\n')
    .filter((each) => each !== '')
    .map((each) => JSON.parse(each).n);
}

export async function scratchDirectory(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'sallyport-audit-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** A named pipe. Node has no call for it. */
export function makePipe(path: string): void {
  execFileSync('sh', ['-c', 'mkfifo "$0"', path]);
}

export interface Receiver {
  readonly server: Server;
  readonly port: number;
  readonly connections: readonly Socket[];
  text(): string;
  /** Resolves when the text satisfies `test`; rejects after five seconds. */
  until(test: (text: string) => boolean): Promise<string>;
  close(): Promise<void>;
}

/** A stream server on the loopback or a unix path; with `deaf` it accepts connections and never reads them. */
export async function startReceiver(listen: number | string = 0, deaf = false): Promise<Receiver> {
  const connections: Socket[] = [];
  let text = '';
  const server = createServer({ pauseOnConnect: deaf }, (socket) => {
    connections.push(socket);
    socket.on('error', () => socket.destroy());
    if (!deaf) {
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
      });
    }
  });
  await new Promise<void>((resolve) => {
    if (typeof listen === 'string') server.listen(listen, resolve);
    else server.listen(listen, '127.0.0.1', resolve);
  });
  const address = server.address();
  return {
    server,
    port: typeof address === 'object' && address !== null ? address.port : 0,
    connections,
    text: () => text,
    until: async (test) => {
      await eventually(() => test(text));
      return text;
    },
    close: async () => {
      for (const socket of connections) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

export async function eventually(test: () => boolean, milliseconds = 5000): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!test()) {
    if (performance.now() > end) throw new Error(`not so within ${milliseconds} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
