import type { KeyObject } from 'node:crypto';
import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Fault } from '@sallyport/formats';
import type { KeyJob, KeyReply, KeyRequest } from './key-jobs.ts';

/**
 * Private-key operations that take from a tenth of a millisecond to several, in a thread of their own: neither the
 * event loop nor the runtime's pool, which writes files, waits for them. Throws `vault.transit_thread_busy` when a
 * thousand jobs wait, and `vault.transit_thread_lost` when the thread ended before it answered.
 */
export interface KeyThread {
  /** The signature or block; throws when the job failed. */
  compute(job: KeyJob): Promise<Buffer>;
  /** Undefined when the block does not decrypt, for whatever reason. */
  decryptOaep(key: KeyObject, hash: string, block: Uint8Array): Promise<Buffer | undefined>;
  /** False when the job failed, as for a signature that is none. */
  verify(job: KeyJob): Promise<boolean>;
  /** Ends the thread and with it what it held; a later job starts a new one. */
  close(): Promise<void>;
}

interface Waiting {
  done(result: KeyReply['result']): void;
  failed(error: Fault): void;
}

export function createKeyThread(maxWaiting = 1000): KeyThread {
  let thread: Worker | undefined;
  let nextId = 0;
  const waiting = new Map<number, Waiting>();

  function start(): Worker {
    const cache = getCompileCacheDir();
    // None of our environment, which may hold secrets; only where compiled code is kept.
    const env = cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) };
    const worker = new Worker(new URL('./key-thread-worker.ts', import.meta.url), { env });
    worker.on('message', ({ id, result }: KeyReply) => {
      waiting.get(id)?.done(result);
      waiting.delete(id);
      // An idle thread does not keep the process alive.
      if (waiting.size === 0) worker.unref();
    });
    const lost = () => {
      if (thread !== worker) return;
      thread = undefined;
      for (const { failed } of waiting.values()) failed(threadLost());
      waiting.clear();
    };
    worker.on('error', lost);
    worker.on('exit', lost);
    return worker;
  }

  function ask(job: KeyJob): Promise<KeyReply['result']> {
    if (waiting.size >= maxWaiting) return Promise.reject(threadBusy(maxWaiting));
    thread ??= start();
    const worker = thread;
    worker.ref();
    nextId += 1;
    const id = nextId;
    return new Promise((done, failed) => {
      waiting.set(id, { done, failed });
      worker.postMessage({ id, job } satisfies KeyRequest);
    });
  }

  return {
    async compute(job) {
      const result = await ask(job);
      if (!(result instanceof Uint8Array)) throw failedJob(job.do);
      return asBuffer(result);
    },
    async decryptOaep(key, hash, block) {
      const result = await ask({ do: 'rsa-oaep', key, hash, block });
      return result instanceof Uint8Array ? asBuffer(result) : undefined;
    },
    async verify(job) {
      return (await ask(job)) === true;
    },
    async close() {
      await thread?.terminate();
    },
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function failedJob(what: string): Fault {
  return new Fault('internal', 'vault.transit_job_failed', `the private-key operation "${what}" failed`);
}

function threadBusy(maxWaiting: number): Fault {
  return new Fault(
    'unavailable',
    'vault.transit_thread_busy',
    `expected fewer than ${maxWaiting} private-key operations to wait, got more`,
    { hint: 'try again, or sign with ed25519 or ecdsa-p256, which need no waiting' },
  );
}

function threadLost(): Fault {
  return new Fault('unavailable', 'vault.transit_thread_lost', 'the thread of private keys ended');
}
