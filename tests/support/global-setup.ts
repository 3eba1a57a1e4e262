import { isFault } from '@sallyport/formats';
import { ensureBubblewrap } from '../../packages/agent/src/sandbox/index.ts';
import { prepareCluster } from '../../packages/server/src/platform/db/cluster.ts';

/** Once before all test files. Every step runs in bubblewrap and never without, in tests as anywhere. */
export async function setup(): Promise<void> {
  const quiet = { debug: () => undefined, info: () => undefined, warn: console.warn, error: console.error };
  // npm ci leaves it there; after an update of PGlite, or without install scripts, it is made here, once for all files.
  await prepareCluster();
  try {
    const { installed } = await ensureBubblewrap(quiet);
    if (installed) console.log('installed bubblewrap, which isolates every step');
  } catch (error) {
    if (!isFault(error)) throw error;
    console.error(`${error.message}\n${error.hint ?? ''}`);
    throw error;
  }
}
