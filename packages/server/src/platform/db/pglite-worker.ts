import { flushCompileCache } from 'node:module';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { collectWhenIdle } from '../memory/collect.ts';
import { DurableNodeFs, durableStartParams, memoryStartParams } from './durable-files.ts';
import { createGathering } from './gathering.ts';
import {
  type FromWorker,
  type OwnBytes,
  type ToWorker,
  transferOf,
  type WorkerStart,
} from './pglite-messages.ts';

/**
 * The thread PGlite lives in: a heavy query keeps this thread busy and not the event loop that answers requests.
 * It speaks PostgreSQL's wire protocol, whole batches in and whole answers out, one at a time.
 */

const port = parentPort;
if (port === null) throw new Error('pglite-worker is started as a worker thread only');

// Only this module's opener starts the thread, with exactly this shape.
const start = workerData as WorkerStart;
let syncs = 0;
const gathered = createGathering();

async function open(): Promise<PGlite> {
  const { directory, image } = start;
  if (directory === undefined) {
    const options = { startParams: [...memoryStartParams] };
    return PGlite.create(image === undefined ? options : { ...options, loadDataDir: new Blob([image]) });
  }
  return openDirectory(directory);
}

function openDirectory(directory: string): Promise<PGlite> {
  const fs = new DurableNodeFs(directory, () => {
    syncs += 1;
  });
  return PGlite.create({ fs, startParams: [...durableStartParams] });
}

/** Without a sync: who asked for it syncs it whole. */
async function createCluster(directory: string): Promise<void> {
  const pg = await PGlite.create({ dataDir: directory, startParams: [...memoryStartParams] });
  await pg.close();
}

/**
 * As a stream, because PGlite parses what `execProtocolRaw` gives and keeps the parsed answers of all statements for ever:
 * 160 MB after a start with 100,000 secrets, and more with each write.
 */
async function exchange(pg: PGlite, request: Uint8Array): Promise<OwnBytes> {
  await pg.execProtocolRawStream(request, { onRawData: (part) => gathered.add(part) });
  return gathered.take();
}

async function answer(pg: PGlite, request: ToWorker): Promise<FromWorker> {
  switch (request.kind) {
    case 'bytes':
      return { id: request.id, bytes: await exchange(pg, request.bytes) };
    case 'reset':
      // A new connection starts clean, also when the one before it was dropped inside a transaction.
      await pg.exec('ROLLBACK');
      await pg.exec('DISCARD ALL');
      return { id: request.id };
    case 'syncs':
      return { id: request.id, syncs };
    case 'image': {
      const image = await pg.dumpDataDir('none');
      return { id: request.id, bytes: new Uint8Array(await image.arrayBuffer()) };
    }
    case 'close':
      await pg.close();
      return { id: request.id };
  }
}

function serve(pg: PGlite, to: MessagePort): void {
  let queue = Promise.resolve();
  to.on('message', (request: ToWorker) => {
    queue = queue.then(async () => {
      try {
        const message = await answer(pg, request);
        to.postMessage(message, transferOf(message.bytes));
        if (request.kind === 'close') to.close();
      } catch (error) {
        // The engine itself failed (for PostgreSQL a crash): its memory can no longer be trusted, what is on disk can.
        // Ending the thread makes every waiter fail and nothing more be acknowledged; the next start recovers.
        to.postMessage({ id: request.id, failure: error instanceof Error ? error.message : String(error) });
        process.exit(70);
      }
    });
  });
}

if (start.create === true && start.directory !== undefined) await createCluster(start.directory);
else serve(await open(), port);
// Ended from outside, a thread would not keep what it compiled.
flushCompileCache();
port.postMessage({ id: 0 } satisfies FromWorker);
// A thread that cannot clean up still works.
if (start.create !== true) void collectWhenIdle().catch(() => undefined);
