import type { Isolation } from '@sallyport/contract';

export interface Clock {
  now(): Date;
}

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What the interior sees as its read-only root. */
export type Root =
  /** Selected system directories of the host, and the top-level entries of `overlay` beside them. */
  | { readonly kind: 'host'; readonly overlay?: string }
  /** An unpacked image, alone. */
  | { readonly kind: 'image'; readonly directory: string };

export interface Limits {
  readonly cpus: number;
  readonly memoryMb: number;
  readonly processes: number;
  /** Of the workspace; the home and /tmp are in memory and share `memoryMb`. */
  readonly diskMb: number;
}

export const defaultLimits: Limits = { cpus: 2, memoryMb: 2048, processes: 512, diskMb: 4096 };

export interface Mount {
  readonly source: string;
  /** Absolute, inside. Must not lie in /proc, /dev, /.sallyport or over the workspace. */
  readonly target: string;
  readonly writable?: boolean;
}

/** Secret bytes; `SecretBytes` of formats is one. */
export interface Exposable {
  expose(): Uint8Array;
}

export interface SandboxSpec {
  /** Names the control group: `[a-z0-9][a-z0-9_.-]*`, at most 100, unique among running ones. */
  readonly id: string;
  readonly root: Root;
  readonly command: readonly [string, ...string[]];
  /** Directory of the host, read-write at /workspace. Its files are given to the user steps run as. */
  readonly workspace?: string;
  /** Inside; the workspace when there is one, else `/`. */
  readonly workdir?: string;
  readonly mounts?: readonly Mount[];
  /** The whole environment but for HOME, PATH, USER, LANG, TZ and TMPDIR, which it may replace. May hold secrets. */
  readonly env?: Readonly<Record<string, string>>;
  /** Read-only files at /run/secrets/<name>, in memory. */
  readonly secretFiles?: ReadonlyArray<{ readonly name: string; readonly content: Exposable }>;
  /** Unix sockets of the host: the mirror appears at 127.0.0.1:4873, the proxy at 127.0.0.1:3128. */
  readonly network?: { readonly mirror?: string; readonly proxy?: string };
  /** The service inside listens on 127.0.0.1:port; `Running.connect` reaches it. */
  readonly ingressPort?: number;
  readonly limits?: Partial<Limits>;
  /** Absent for a service, which has no end. */
  readonly timeoutSeconds?: number;
}

export type Outcome = 'succeeded' | 'failed' | 'timed_out' | 'limit_exceeded';

export interface SandboxResult {
  readonly outcome: Outcome;
  /** As a shell would say it: 128 + signal for a process killed by one. Absent when we killed it. */
  readonly exitCode?: number;
  /** For people: why it did not succeed. */
  readonly reason?: string;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  /** All that was printed, kept or not. */
  readonly outputBytes: number;
  readonly outputTruncated: boolean;
  readonly peakMemoryBytes?: number;
  /** What was in force for this very step (invariant 11). */
  readonly isolation: Isolation;
}

/** One lack of the host, and the line that mends it. */
export interface Lack {
  readonly what: string;
  readonly consequence: string;
  readonly enable: string;
}

export interface Probe {
  /** False: nothing can be run here, see `lacks`. */
  readonly usable: boolean;
  readonly isolation: Isolation;
  readonly lacks: readonly Lack[];
}
