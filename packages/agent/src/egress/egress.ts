import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EgressRecord, Tool, TrustLevel } from '@sallyport/contract';
import { defaultLimits, type EgressLimits } from './limits.ts';
import { createTarballCache } from './npm/cache.ts';
import { createLockIndex } from './npm/lock-index.ts';
import { openMirror } from './npm/mirror.ts';
import { createPackageSource, type PackagePolicy } from './npm/package-source.ts';
import { createUpstream, type Registry } from './npm/upstream.ts';
import { createPermits } from './permits.ts';
import { type Resolve, resolveName } from './proxy/addresses.ts';
import { openProxy } from './proxy/proxy.ts';
import { createRecorder } from './recorder.ts';
import { createToolbox, emptyShelf, type FetchedTool } from './tool.ts';

export interface EgressDeps {
  /** As the npm client of this host is configured. */
  readonly registry: Registry;
  /** The cache; owned by this agent alone, never visible to a step. */
  readonly directory: string;
  readonly clock: { now(): Date };
  readonly log: { warn(fields: object, message: string): void };
  /** The host's resolver, unless a test brings its own. */
  readonly resolve?: Resolve;
  readonly limits?: Partial<EgressLimits>;
}

/** The one way out of a sandbox: what it does not serve, a step cannot reach. */
export interface Egress {
  /** Everything one job fetches, under one policy and one level of trust. */
  openJob(job: { readonly trust: TrustLevel; readonly policy: PackagePolicy }): JobEgress;
  /** Removes what a crash left half written; before the first job. */
  recover(): Promise<void>;
  close(): void;
}

export interface JobEgress {
  /**
   * Opens a step's sockets. `records` may be read at any time and after `close`; nothing is served after `close`.
   * Sockets: a mirror for `registries`, and for `allowlist` the proxy as well.
   */
  openStep(step: {
    readonly name: string;
    /** Private to this step; its path must leave room for a socket's 107 bytes. */
    readonly directory: string;
    readonly mirror: boolean;
    /** Absent: no proxy. */
    readonly allow?: readonly string[];
  }): Promise<StepEgress>;
  /** Fetches a package by the integrity its definition declares and unpacks it into a read-only directory. */
  fetchTool(tool: Tool): Promise<FetchedTool>;
  /** What `fetchTool` recorded, under the step name `tools`. */
  toolRecords(): EgressRecord[];
  close(): Promise<void>;
}

export interface StepEgress {
  readonly mirrorSocket?: string;
  readonly proxySocket?: string;
  records(): EgressRecord[];
  close(): Promise<void>;
}

export function createEgress(deps: EgressDeps): Egress {
  const limits = { ...defaultLimits, ...deps.limits };
  const upstream = createUpstream(deps.registry, limits);
  const permits = createPermits(limits.upstreamRequests);
  const packages = join(deps.directory, 'npm');
  const shelf = emptyShelf();
  let temporaryNames = 0;

  return {
    openJob({ trust, policy }) {
      const cache = createTarballCache({
        directory: packages,
        trust,
        nextName: () => `${process.pid}-${temporaryNames++}`,
      });
      const sourceOf = (of: PackagePolicy) =>
        createPackageSource({ upstream, cache, policy: of, clock: deps.clock, permits, limits });
      const source = sourceOf(policy);
      const recorderOf = (step: string) =>
        createRecorder({ clock: deps.clock, step, limit: limits.recordsPerStep });
      const toolRecorder = recorderOf('tools');
      // What a definition pins by digest is its own lock: the age rule stays, the lock file does not decide.
      const tools = createToolbox({
        source: sourceOf({ ...policy, lock: createLockIndex([]), onUnverified: 'fail' }),
        recorder: toolRecorder,
        directory: join(deps.directory, 'tools', trust),
        alsoRead: trust === 'untrusted' ? [join(deps.directory, 'tools', 'trusted')] : [],
        shelf,
        nextName: () => `${process.pid}-${temporaryNames++}`,
      });

      return {
        async openStep(step) {
          const recorder = recorderOf(step.name);
          const mirrorSocket = join(step.directory, 'npm.sock');
          const proxySocket = join(step.directory, 'proxy.sock');
          const mirror = step.mirror
            ? await openMirror({ source, policy, recorder, limits, socketPath: mirrorSocket, log: deps.log })
            : undefined;
          const proxy =
            step.allow === undefined
              ? undefined
              : await openProxy({
                  allow: step.allow,
                  recorder,
                  limits,
                  resolve: deps.resolve ?? resolveName,
                  socketPath: proxySocket,
                });
          return {
            ...(mirror === undefined ? {} : { mirrorSocket }),
            ...(proxy === undefined ? {} : { proxySocket }),
            records: () => recorder.records(),
            async close() {
              await mirror?.close();
              await proxy?.close();
            },
          };
        },
        fetchTool: (tool) => tools.fetch(tool),
        toolRecords: () => toolRecorder.records(),
        async close() {
          await source.close();
          await tools.close();
        },
      };
    },
    async recover() {
      for (const trust of ['trusted', 'untrusted']) {
        await rm(join(packages, trust, 'tmp'), { recursive: true, force: true });
        await rm(join(deps.directory, 'tools', trust, 'tmp'), { recursive: true, force: true });
        await mkdir(join(packages, trust), { recursive: true, mode: 0o700 });
      }
    },
    close: () => upstream.close(),
  };
}
