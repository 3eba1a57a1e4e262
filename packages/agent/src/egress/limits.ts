/** Every number that bounds what a step or an upstream can make the agent do. Tests pass smaller ones. */
export interface EgressLimits {
  readonly packumentBytes: number;
  readonly tarballBytes: number;
  /** Fetched from upstream for one job, all together. */
  readonly jobBytes: number;
  readonly upstreamRequests: number;
  readonly connectionsPerStep: number;
  readonly recordsPerStep: number;
  readonly connectMs: number;
  readonly idleMs: number;
  readonly packumentMs: number;
  readonly tarballMs: number;
  /** How long one tunnel of the allowlist proxy may stay silent. */
  readonly tunnelIdleMs: number;
}

export const defaultLimits: EgressLimits = {
  packumentBytes: 128 * 1024 * 1024,
  tarballBytes: 512 * 1024 * 1024,
  jobBytes: 8 * 1024 * 1024 * 1024,
  upstreamRequests: 24,
  connectionsPerStep: 128,
  recordsPerStep: 20_000,
  connectMs: 10_000,
  idleMs: 30_000,
  packumentMs: 60_000,
  tarballMs: 600_000,
  tunnelIdleMs: 300_000,
};
