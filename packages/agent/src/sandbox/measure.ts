import { readlinkSync } from 'node:fs';
import type { Isolation } from '@sallyport/contract';
import { Fault } from '@sallyport/formats';

/** Printed by a trial sandbox: what the kernel says of a process in it. */
export const trialScript = `
cat /proc/self/status
for each in user mnt pid ipc uts net cgroup; do echo "ns $each $(readlink /proc/self/ns/$each)"; done
if unshare -U true 2>/dev/null; then echo nested; fi
echo done
`;

const namespaceNames = {
  user: 'user',
  mnt: 'mount',
  pid: 'pid',
  ipc: 'ipc',
  uts: 'uts',
  net: 'net',
  cgroup: 'cgroup',
};

/** Without these a sandbox is only furniture; with any other missing it is still one. */
const requiredNamespaces = ['user', 'mount', 'pid', 'ipc', 'uts', 'net'];

/**
 * Corrects what we mean to enforce by what a trial sandbox showed (invariant 11), and refuses a host where a step
 * would not be confined.
 */
export function measuredIsolation(intended: Isolation, trial: string): Isolation {
  const status = (name: string): string | undefined =>
    new RegExp(`^${name}:\\s+(\\S+)$`, 'm').exec(trial)?.[1];
  const namespaces: string[] = [];
  for (const [kernelName, name] of Object.entries(namespaceNames)) {
    const inside = new RegExp(`^ns ${kernelName} (\\S+)$`, 'm').exec(trial)?.[1];
    if (inside !== undefined && inside !== readlinkSync(`/proc/self/ns/${kernelName}`)) namespaces.push(name);
  }
  const capabilitiesDropped = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].every((set) =>
    /^0+$/.test(status(set) ?? 'unknown'),
  );
  const measured: Isolation = {
    ...intended,
    namespaces,
    seccomp: status('Seccomp') === '2',
    noNewPrivileges: status('NoNewPrivs') === '1',
    capabilitiesDropped,
    nestedUserNamespaces: /^nested$/m.test(trial) ? 'allowed' : 'blocked',
  };

  const missing = requiredNamespaces
    .filter((name) => !namespaces.includes(name))
    .map((name) => `${name} namespace`);
  if (!measured.seccomp) missing.push('seccomp filter');
  if (!measured.noNewPrivileges) missing.push('no_new_privs');
  if (!capabilitiesDropped) missing.push('dropped capabilities');
  if (measured.nestedUserNamespaces === 'allowed') missing.push('blocked nested user namespaces');
  if (!/^done$/m.test(trial)) missing.push('a trial that ends');
  if (missing.length > 0) {
    throw new Fault('precondition', 'sandbox.not_confined', `a trial sandbox lacked: ${missing.join(', ')}`, {
      hint: 'run `sally doctor`; no step runs on this host until it holds',
    });
  }
  return measured;
}
