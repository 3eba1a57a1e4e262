import { existsSync, readFileSync } from 'node:fs';
import type { Isolation } from '@sallyport/contract';
import { isFault } from '@sallyport/formats';
import { installCommand } from './install.ts';
import type { Lack, Probe } from './model.ts';
import { createSandbox, type SandboxDeps } from './sandbox.ts';

/** Tries out what this host can enforce. Never throws for a lack: that is its answer. */
export async function probe(deps: SandboxDeps): Promise<Probe> {
  try {
    const { isolation } = await createSandbox(deps);
    return { usable: true, isolation, lacks: lacksOf(isolation) };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { usable: false, isolation: nothing, lacks: [explain(error.code, error.message, error.hint)] };
  }
}

/** What is claimed where nothing can be. */
const nothing: Isolation = {
  executor: 'bubblewrap',
  version: 'none',
  namespaces: [],
  seccomp: false,
  noNewPrivileges: false,
  capabilitiesDropped: false,
  nestedUserNamespaces: 'allowed',
  memoryLimit: 'none',
  processLimit: 'none',
  cpuLimit: 'none',
  diskLimit: 'none',
};

const delegate =
  'run the agent as root, or under systemd with its own control group: systemd-run --user --scope -p Delegate=yes sally up';

export function lacksOf(isolation: Isolation): readonly Lack[] {
  const lacks: Lack[] = [];
  const prlimit = 'install util-linux (prlimit)';
  if (isolation.memoryLimit !== 'cgroup') {
    lacks.push({
      what: 'memory is not limited by a control group',
      consequence:
        isolation.memoryLimit === 'rlimit'
          ? 'each process of a step is limited, their sum is not'
          : 'a step can take all memory of the host',
      enable: isolation.memoryLimit === 'rlimit' ? delegate : `${prlimit}, or ${delegate}`,
    });
  }
  if (isolation.processLimit !== 'cgroup') {
    lacks.push({
      what: 'the number of processes is not limited by a control group',
      consequence:
        isolation.processLimit === 'rlimit'
          ? 'it is limited per user namespace instead, which kernels before 5.14 count per user'
          : 'a fork bomb in a step hits the whole host until the step times out',
      enable: isolation.processLimit === 'rlimit' ? delegate : `${prlimit}, or ${delegate}`,
    });
  }
  if (isolation.cpuLimit === 'none') {
    lacks.push({
      what: 'processor time is not limited',
      consequence: 'a step can slow the host and other steps down',
      enable: delegate,
    });
  }
  return lacks;
}

function explain(code: string, message: string, hint: string | undefined): Lack {
  const consequence = 'no step and no service can run here';
  if (code === 'sandbox.bubblewrap_missing' || code === 'sandbox.bubblewrap_old') {
    return { what: message, consequence, enable: installCommand() ?? hint ?? 'install bubblewrap' };
  }
  if (code === 'sandbox.start_failed') {
    return { what: message, consequence, enable: namespaceHint() };
  }
  return { what: message, consequence, enable: hint ?? 'see the message' };
}

/** Why an unprivileged user namespace is refused: the three switches distributions have. */
function namespaceHint(): string {
  if (setting('/proc/sys/kernel/unprivileged_userns_clone') === '0') {
    return 'sudo sysctl -w kernel.unprivileged_userns_clone=1';
  }
  if (setting('/proc/sys/user/max_user_namespaces') === '0') {
    return 'sudo sysctl -w user.max_user_namespaces=16384';
  }
  if (setting('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === '1') {
    return 'give bwrap an AppArmor profile with `userns`, or: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0';
  }
  return 'in a container, start it with --privileged or with a seccomp profile and capabilities that allow user namespaces and mounts';
}

function setting(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
}
