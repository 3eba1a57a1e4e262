import { isFault } from '@sallyport/formats';
import { ensureBubblewrap } from '../../packages/agent/src/sandbox/index.ts';

/** Once before all test files. Every step runs in bubblewrap and never without, in tests as anywhere. */
export async function setup(): Promise<void> {
  const quiet = { debug: () => undefined, info: () => undefined, warn: console.warn, error: console.error };
  try {
    const { installed } = await ensureBubblewrap(quiet);
    if (installed) console.log('installed bubblewrap, which isolates every step');
  } catch (error) {
    if (!isFault(error)) throw error;
    console.error(`${error.message}\n${error.hint ?? ''}`);
    throw error;
  }
}
