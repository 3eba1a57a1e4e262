import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { Log } from '../ports.ts';
import { createCluster, startPgliteThread } from './cluster.ts';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { type FromWorker, type ToWorker, transferOf, type WorkerStart } from './pglite-messages.ts';
import { PgliteSocket } from './pglite-socket.ts';
import { PreparedClient } from './prepared-client.ts';
import { valueTypes } from './values.ts';

export interface PgliteOptions {
  /** Absent: in memory, for tests. */
  readonly directory?: string;
  readonly image?: Uint8Array<ArrayBuffer>;
  /** Called once when the engine stops without having been asked to. */
  readonly onStopped?: (reason: string) => void;
}

export interface PgliteEngine {
  readonly pool: pg.Pool;
  /** How many times data was synced to the disk since the start. */
  syncs(): Promise<number>;
  /** The data directory as one archive; the `image` of a later start. */
  image(): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

type RequestBody = ToWorker extends infer Each ? (Each extends ToWorker ? Omit<Each, 'id'> : never) : never;

interface Waiter {
  resolve(answer: FromWorker): void;
  reject(error: Error): void;
}

/** Starts PGlite in its own thread, holding its directory, and gives a pool of its one connection. */
export async function openPglite(options: PgliteOptions, log: Log): Promise<PgliteEngine> {
  const lock = options.directory === undefined ? undefined : lockDirectory(options.directory);
  try {
    const start: WorkerStart = {
      ...(options.directory === undefined ? {} : { directory: join(options.directory, 'pg') }),
      ...(options.image === undefined ? {} : { image: options.image }),
    };
    if (start.directory !== undefined && !existsSync(start.directory)) await createCluster(start.directory);
    return await startEngine(start, options, lock, log);
  } catch (error) {
    lock?.release();
    throw error;
  }
}

async function startEngine(
  start: WorkerStart,
  options: PgliteOptions,
  lock: DirectoryLock | undefined,
  log: Log,
): Promise<PgliteEngine> {
  const worker = startPgliteThread(start);
  const exited = once(worker, 'exit');
  const waiters = new Map<number, Waiter>();
  let nextId = 1;
  let stopped: string | undefined;
  let closing = false;

  const ready = new Promise<void>((resolve, reject) => {
    waiters.set(0, { resolve: () => resolve(), reject });
  });
  const stop = (reason: string): void => {
    if (stopped !== undefined) return;
    stopped = reason;
    for (const waiter of waiters.values()) waiter.reject(stoppedError(reason));
    waiters.clear();
    if (closing) return;
    log.error({ reason }, 'the embedded database has stopped');
    options.onStopped?.(reason);
  };
  worker.on('message', (answer: FromWorker) => {
    const waiter = waiters.get(answer.id);
    waiters.delete(answer.id);
    if (answer.failure === undefined) waiter?.resolve(answer);
    else waiter?.reject(stoppedError(answer.failure));
    if (answer.failure !== undefined) stop(answer.failure);
  });
  worker.on('error', (error) => stop(error instanceof Error ? error.message : String(error)));
  worker.on('exit', (code) => stop(`its thread ended with code ${code}`));

  const call = (body: RequestBody): Promise<FromWorker> =>
    new Promise((resolve, reject) => {
      if (stopped !== undefined) {
        reject(stoppedError(stopped));
        return;
      }
      const id = nextId++;
      waiters.set(id, { resolve, reject });
      worker.postMessage({ ...body, id }, body.kind === 'bytes' ? transferOf(body.bytes) : []);
    });

  await ready;
  const pool = new pg.Pool({
    // One connection is all PGlite has; the pool's queue is the mutex that gives it to one transaction at a time.
    max: 1,
    idleTimeoutMillis: 0,
    types: valueTypes,
    Client: PreparedClient,
    stream: () =>
      new PgliteSocket({
        exchange: async (bytes) => (await call({ kind: 'bytes', bytes })).bytes ?? new Uint8Array(),
        reset: async () => {
          await call({ kind: 'reset' });
        },
      }) as never, // pg types a net.Socket, but uses only the methods that PgliteSocket has.
  });
  pool.on('error', (error) => log.warn({ err: error }, 'an idle database connection was lost'));

  return {
    pool,
    syncs: async () => (await call({ kind: 'syncs' })).syncs ?? 0,
    image: async () => new Uint8Array((await call({ kind: 'image' })).bytes ?? new Uint8Array()),
    close: async () => {
      closing = true;
      await pool.end();
      if (stopped === undefined) await call({ kind: 'close' });
      await worker.terminate();
      await exited;
      lock?.release();
    },
  };
}

function stoppedError(reason: string): Error {
  return new Error(`database has stopped: ${reason}`);
}
