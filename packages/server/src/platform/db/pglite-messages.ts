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
  | { readonly kind: 'bytes'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly kind: 'reset' | 'syncs' | 'image' | 'close'; readonly id: number };

/** `id` 0 says that the engine is ready. */
export interface FromWorker {
  readonly id: number;
  readonly bytes?: Uint8Array;
  readonly syncs?: number;
  readonly failure?: string;
}
