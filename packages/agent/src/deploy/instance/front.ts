import { createServer, type Server, type Socket } from 'node:net';

/** Where connections go: an instance that takes them. */
export interface Backend {
  connect(): Socket;
}

export interface Front {
  readonly port: number;
  /** Opens the port; again after `port-taken`. False: somebody else has it. */
  open(): Promise<boolean>;
  readonly isOpen: () => boolean;
  /** New connections go to `backend` from now on, waiting ones too. Undefined: they wait. */
  pointTo(backend: Backend | undefined): void;
  /** Resolves when `backend` has no connection left; idle ones are closed, at the deadline all are. */
  drain(backend: Backend, deadlineSeconds: number): Promise<void>;
  close(): Promise<void>;
}

interface Pair {
  readonly backend: Backend;
  readonly outside: Socket;
  readonly inside: Socket;
  lastByte: number;
}

/** Between instances (a restart) connections wait this long; then they are closed. */
const waitMilliseconds = 10_000;
const maxWaiting = 1000;
/** A connection of a draining instance that was silent this long is between requests. */
const idleMilliseconds = 1000;

/**
 * The port users reach. The agent owns it and passes each connection on, byte by byte, so that replacing an instance
 * closes no port: a connection made at any instant goes to one that is healthy, or waits for one.
 */
export function createFront(port: number, host = '127.0.0.1'): Front {
  const pairs = new Set<Pair>();
  const waiting = new Map<Socket, NodeJS.Timeout>();
  let backend: Backend | undefined;
  let server: Server | undefined;

  function take(outside: Socket): void {
    outside.setNoDelay(true);
    outside.on('error', () => outside.destroy());
    if (backend !== undefined) {
      join(outside, backend);
    } else if (waiting.size >= maxWaiting) {
      outside.destroy();
    } else {
      waiting.set(
        outside,
        setTimeout(() => outside.destroy(), waitMilliseconds),
      );
      outside.once('close', () => stopWaiting(outside));
    }
  }

  function stopWaiting(outside: Socket): void {
    clearTimeout(waiting.get(outside));
    waiting.delete(outside);
  }

  function join(outside: Socket, to: Backend): void {
    let inside: Socket;
    try {
      inside = to.connect();
    } catch {
      // It ended a moment ago and its supervisor does not know yet; the client sees what a crash looks like.
      outside.destroy();
      return;
    }
    const pair: Pair = { backend: to, outside, inside, lastByte: performance.now() };
    pairs.add(pair);
    const touch = (): void => {
      pair.lastByte = performance.now();
    };
    outside.on('data', touch);
    inside.on('data', touch);
    outside.pipe(inside);
    inside.pipe(outside);
    inside.on('error', () => outside.destroy());
    outside.once('close', () => inside.destroy());
    inside.once('close', () => {
      pairs.delete(pair);
      outside.destroySoon();
    });
  }

  return {
    port,
    isOpen: () => server !== undefined,
    open: () =>
      new Promise((resolve, reject) => {
        if (server !== undefined) return resolve(true);
        const candidate = createServer({ allowHalfOpen: true }, take);
        candidate.once('error', (error: NodeJS.ErrnoException) => {
          if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
          else reject(error);
        });
        candidate.listen({ port, host }, () => {
          server = candidate;
          candidate.on('error', () => undefined); // accept errors (descriptors run out) end no listener
          resolve(true);
        });
      }),
    pointTo(next) {
      backend = next;
      if (next === undefined) return;
      for (const outside of [...waiting.keys()]) {
        stopWaiting(outside);
        join(outside, next);
      }
    },
    async drain(old, deadlineSeconds) {
      const deadline = performance.now() + deadlineSeconds * 1000;
      for (;;) {
        const mine = [...pairs].filter((pair) => pair.backend === old);
        if (mine.length === 0) return;
        const now = performance.now();
        for (const pair of mine) {
          if (now >= deadline) pair.outside.destroy();
          // The end of what the instance says, after which a client asks on a new connection.
          else if (now - pair.lastByte > idleMilliseconds) pair.outside.end();
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async close() {
      const closing = server;
      server = undefined;
      backend = undefined;
      for (const outside of waiting.keys()) outside.destroy();
      for (const pair of pairs) pair.outside.destroy();
      if (closing !== undefined) await new Promise<void>((resolve) => closing.close(() => resolve()));
    },
  };
}
