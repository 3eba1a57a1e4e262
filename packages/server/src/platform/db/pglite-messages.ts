/** What the main thread and the PGlite thread say to each other. */

export interface WorkerStart {
  /** Where the data lives; absent means memory only (tests). */
  readonly directory?: string;
  /** Make a new cluster in `directory` and end: what that takes in memory ends with the thread. */
  readonly create?: boolean;
  /** A dump of a fresh data directory, which saves the second that creating one takes. */
  readonly image?: Uint8Array<ArrayBuffer>;
}

export type ToWorker =
  | { readonly kind: 'bytes'; readonly id: number; readonly bytes: OwnBytes }
  | { readonly kind: 'reset' | 'syncs' | 'image' | 'close'; readonly id: number };

/** `id` 0 says that the engine is ready. */
export interface FromWorker {
  readonly id: number;
  readonly bytes?: OwnBytes;
  readonly syncs?: number;
  readonly failure?: string;
}

/** Bytes with memory of their own, which can be handed to the other thread as it is. */
export type OwnBytes = Uint8Array<ArrayBuffer>;

/**
 * Joined in memory of their own. A small `Buffer` lies in Node's pool, and posting it copies all 64 kB of that, twice: some
 * 30 microseconds of each statement, and other people's bytes with it.
 */
export function ownBytes(parts: readonly Uint8Array[]): OwnBytes {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** What `postMessage` hands over instead of copying; whoever posts cannot use it any more. */
export function transferOf(bytes: OwnBytes | undefined): ArrayBuffer[] {
  return bytes === undefined ? [] : [bytes.buffer];
}
