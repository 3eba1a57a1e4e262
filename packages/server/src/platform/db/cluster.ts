import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { getCompileCacheDir } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import manifest from '../../../package.json' with { type: 'json' };
import type { WorkerStart } from './pglite-messages.ts';
import { syncPath, syncTree } from './sync-tree.ts';

/** The thread gets none of our environment, which may hold secrets; only where compiled code is kept. */
export function startPgliteThread(start: WorkerStart): Worker {
  const cache = getCompileCacheDir();
  return new Worker(new URL('./pglite-worker.ts', import.meta.url), {
    workerData: start,
    env: cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) },
  });
}

/**
 * A new cluster is the same for everybody and takes three seconds of processor time to make, so installing leaves one
 * beside the code (who may write there may write the code too), which a first start copies. One for each version of
 * PGlite; without it everything works, only slower.
 */
const preparedCluster = fileURLToPath(
  new URL(
    `../../../../../node_modules/.cache/sallyport/cluster-${manifest.dependencies['@electric-sql/pglite']}`,
    import.meta.url,
  ),
);

/** Made under another name and renamed when whole and on disk: a crash in between leaves a draft that is thrown away. */
export async function createCluster(directory: string): Promise<void> {
  const draft = `${directory}.new`;
  await rm(draft, { recursive: true, force: true });
  await (existsSync(preparedCluster) ? cp(preparedCluster, draft, { recursive: true }) : initialize(draft));
  // PGlite makes files that anybody may write, now and later; nobody else gets past this directory.
  await chmod(draft, 0o700);
  await keep(draft, directory);
}

/** For the installation: makes the cluster that first starts copy, unless it is there. */
export async function prepareCluster(): Promise<void> {
  if (existsSync(preparedCluster)) return;
  await mkdir(dirname(preparedCluster), { recursive: true });
  const draft = `${preparedCluster}.${process.pid}.new`;
  await mkdir(draft, { mode: 0o700 });
  try {
    await initialize(draft);
    await mayBeReadOnly(draft);
    await keep(draft, preparedCluster);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Somebody else was quicker.
    if (!existsSync(preparedCluster)) throw error;
  }
}

/** Others may start from it, and none of them may write into what the next one starts from. */
async function mayBeReadOnly(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    await chmod(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
  }
  await chmod(directory, 0o755);
}

async function keep(draft: string, directory: string): Promise<void> {
  await syncTree(draft);
  await rename(draft, directory);
  syncPath(dirname(directory));
}

/** In a thread of its own: what creating a cluster takes in memory ends with the thread. */
async function initialize(directory: string): Promise<void> {
  const start: WorkerStart = { directory, create: true };
  const worker = startPgliteThread(start);
  await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) =>
      reject(new Error(`the thread that creates a database ended with code ${code}`)),
    );
  });
  await worker.terminate();
}
