import { createHmac, randomBytes } from 'node:crypto';
import { isFault } from '@sallyport/formats';
import type { Kv } from './kv.ts';
import { backOff, pause, type Timing } from './timing.ts';

export interface Change {
  /** The current version; undefined where there are none. */
  readonly version: number | undefined;
  /** There is nothing to read there now. */
  readonly deleted: boolean;
}

export interface WatchOptions {
  /** How often to look. Default 30. */
  readonly everySeconds?: number;
  readonly signal?: AbortSignal;
}

const longestPauseMs = 300_000;

/**
 * What is there now, and every change of it that is still seen at the next look. A server that is away is waited for; a
 * refusal ends it with the Fault. Ends without one when the signal is aborted.
 */
export async function* watchSecret(
  kv: Kv,
  timing: Timing,
  path: string,
  { everySeconds = 30, signal }: WatchOptions,
): AsyncGenerator<Change> {
  const look = createLook(kv, path);
  const everyMs = Math.max(1, everySeconds) * 1000;
  let before: string | undefined;
  for (let failures = 0; signal?.aborted !== true; ) {
    try {
      const { mark, change } = await look();
      failures = 0;
      if (mark !== before) {
        before = mark;
        yield change;
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (!isFault(error) || !['unavailable', 'exhausted'].includes(error.kind)) throw error;
      failures += 1;
    }
    // Spread by a tenth, so that what started together does not ask together for ever.
    const usual = everyMs * (0.9 + timing.random() / 5);
    await pause(timing, failures === 0 ? usual : backOff(timing, failures, everyMs, longestPauseMs), signal);
  }
}

interface Seen {
  readonly mark: string;
  readonly change: Change;
}

/** By the facts about versions where they may be read, else by the value, of which only a keyed hash is kept. */
function createLook(kv: Kv, path: string): () => Promise<Seen> {
  const key = randomBytes(32);
  let byValue = false;

  const nothing: Seen = { mark: 'nothing', change: { version: undefined, deleted: true } };
  const orNothing = (error: unknown): Seen => {
    if (isFault(error) && error.kind === 'not_found') return nothing;
    throw error;
  };

  async function facts(): Promise<Seen> {
    const { currentVersion, versions } = await kv.metadata(path);
    const current = versions.find(({ version }) => version === currentVersion);
    const deleted = current === undefined || current.destroyed || isPast(current.deletedAt);
    return { mark: `${currentVersion} ${deleted}`, change: { version: currentVersion, deleted } };
  }

  async function value(): Promise<Seen> {
    const { secret } = await kv.read(path);
    const hash = createHmac('sha256', key).update(secret.json.expose()).digest('hex');
    secret.wipe();
    return { mark: `${secret.version} ${hash}`, change: { version: secret.version, deleted: false } };
  }

  return async () => {
    byValue ||= !(await kv.place(path)).versioned;
    if (!byValue) {
      try {
        return await facts().catch(orNothing);
      } catch (error) {
        // A token that may read the value need not be allowed to read about it.
        if (!isFault(error) || error.kind !== 'denied') throw error;
        byValue = true;
      }
    }
    return await value().catch(orNothing);
  };
}

/** A version may be deleted at a time that was set when it was written. */
const isPast = (time: string): boolean => time !== '' && Date.parse(time) <= Date.now();
