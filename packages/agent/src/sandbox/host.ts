import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Isolation } from '@sallyport/contract';
import { Fault } from '@sallyport/formats';
import type { Groups } from './cgroup/cgroup.ts';
import { findGroups } from './cgroup/find.ts';
import { type Features, findFeatures, findProgram } from './features.ts';
import type { Log } from './model.ts';
import { createPipes, type Pipes } from './pipes.ts';
import { prepareRuntime, type Runtime } from './runtime.ts';

const run = promisify(execFile);

/** Steps of a root agent run as this user of the host. Nothing else on the host should. */
export const defaultStepUid = 61_873;

/** Everything about this machine that starting a sandbox needs; found once. */
export interface Host {
  readonly features: Features;
  readonly runtime: Runtime;
  readonly pipes: Pipes;
  readonly groups: Groups | undefined;
  readonly stepUid: number | undefined;
  readonly setpriv: string | undefined;
  readonly prlimit: string | undefined;
  readonly isolation: Isolation;
  /** Sets the process limit where no control group can. */
  readonly limitProcess: ((pid: number, processes: number) => Promise<void>) | undefined;
  /** How long a start may take; a started sandbox lives on. */
  readonly startMilliseconds: number;
  readonly log: Log;
}

export interface HostOptions {
  /** Of the agent's own, private; for sockets, pipes and the interior's files. */
  readonly stateDirectory: string;
  /** The node binary that runs the interior init. */
  readonly node: string;
  readonly stepUid?: number;
  /** Leave control groups alone, as on a host that offers none. */
  readonly withoutGroups?: boolean;
  /** 20,000 when absent: a busy host is slow, and a step must not fail for that. */
  readonly startMilliseconds?: number;
  readonly log: Log;
}

export async function prepareHost(options: HostOptions): Promise<Host> {
  if (process.platform !== 'linux') {
    throw new Fault('precondition', 'sandbox.platform', `expected Linux, found ${process.platform}`, {
      hint: 'run the agent on a Linux machine or in a Linux virtual machine',
    });
  }
  const features = await findFeatures();
  const setpriv = findProgram('setpriv');
  const prlimit = findProgram('prlimit');
  const stepUid = process.geteuid?.() === 0 ? (options.stepUid ?? defaultStepUid) : undefined;
  if (stepUid !== undefined && setpriv === undefined) {
    throw new Fault(
      'precondition',
      'sandbox.setpriv_missing',
      'an agent that runs as root needs setpriv, found none',
      {
        hint: 'install util-linux (setpriv), or run the agent as another user',
      },
    );
  }
  mkdirSync(options.stateDirectory, { recursive: true, mode: 0o700 });
  const name = createHash('sha256').update(options.stateDirectory).digest('hex').slice(0, 12);
  const groups = options.withoutGroups === true ? undefined : findGroups({ procSelf: '/proc/self', name });
  groups?.sweep();

  const has = (controller: 'memory' | 'pids' | 'cpu'): boolean =>
    groups?.controllers.includes(controller) === true;
  const byLimit = prlimit === undefined ? 'none' : 'rlimit';
  const processLimit = has('pids') ? 'cgroup' : byLimit;
  return {
    features,
    runtime: prepareRuntime(options.stateDirectory, options.node),
    pipes: createPipes(join(options.stateDirectory, 'pipes')),
    groups,
    stepUid,
    setpriv,
    prlimit,
    isolation: {
      executor: 'bubblewrap',
      version: features.version,
      namespaces: ['user', 'mount', 'pid', 'ipc', 'uts', 'net', 'cgroup'],
      seccomp: true,
      noNewPrivileges: true,
      capabilitiesDropped: true,
      // By bwrap where it can, in any case by the filter: unshare and clone with CLONE_NEWUSER are refused.
      nestedUserNamespaces: 'blocked',
      memoryLimit: has('memory') ? 'cgroup' : byLimit,
      processLimit,
      cpuLimit: has('cpu') ? 'cgroup' : 'none',
      diskLimit: 'watched',
    },
    // Per user namespace since Linux 5.14, so set on process 1 of the sandbox and not on the agent's user.
    limitProcess:
      processLimit === 'rlimit' && prlimit !== undefined
        ? async (pid, processes) => {
            // As the step's own user, who may lower its limits; root may lack the capability to touch another's.
            const as = stepUid === undefined ? {} : { uid: stepUid, gid: stepUid };
            await run(prlimit, ['--pid', String(pid), `--nproc=${processes}:${processes}`], {
              env: {},
              cwd: '/',
              ...as,
            });
          }
        : undefined,
    startMilliseconds: options.startMilliseconds ?? 20_000,
    log: options.log,
  };
}
