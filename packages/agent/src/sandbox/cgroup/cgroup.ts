/** A control group of one sandbox. Files of a group are tiny, so calls are synchronous and cannot interleave. */
export interface Group {
  /** Moves a process, which must not have started its work yet: what it forked before stays outside. */
  add(pid: number): void;
  /** What the kernel counted; zero where it does not say. */
  usage(): Usage;
  /** Kills all members, also ones that are forking right now. */
  kill(): void;
  /** Whether no process is left. */
  empty(): boolean;
  /** Removes the group; it must be empty. */
  remove(): void;
}

export interface Usage {
  readonly peakMemoryBytes: number;
  /** Times the kernel killed a process of the group for lack of memory. */
  readonly memoryKills: number;
  /** Times a fork was refused. */
  readonly refusedForks: number;
}

export interface GroupLimits {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly processes: number;
}

export type Controller = 'memory' | 'pids' | 'cpu';

/** What this host lets us do with control groups. */
export interface Groups {
  readonly version: 1 | 2;
  /** Controllers that truly limit; a group is still used for killing when there are none. */
  readonly controllers: readonly Controller[];
  create(name: string, limits: GroupLimits): Group;
  /** Kills and removes groups an earlier agent left behind (it was killed before it could). */
  sweep(): void;
}
