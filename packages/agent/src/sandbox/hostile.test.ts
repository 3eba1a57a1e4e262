import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Isolation } from '@sallyport/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeArguments } from './arguments.ts';
import { findGroups } from './cgroup/find.ts';
import { createV2 } from './cgroup/v2.ts';
import { ensureBubblewrap, type InstallHost, installCommand } from './install.ts';
import { measuredIsolation } from './measure.ts';
import type { SandboxSpec } from './model.ts';
import { lacksOf, probe } from './probe.ts';
import { rootArguments } from './root.ts';
import { readStatus } from './status.ts';
import { openBench, silentLog } from './test-support/sandbox.ts';
import { validateSpec } from './validate.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-hostile-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const spec: SandboxSpec = { id: 'a', root: { kind: 'host' }, command: ['/bin/true'] };

describe('a spec', () => {
  it.each<[string, Partial<SandboxSpec>]>([
    ['an id with a slash', { id: '../x' }],
    ['a NUL in the command', { command: ['sh', 'x\0--dev-bind\0/\0/'] }],
    ['a NUL in a value', { env: { A: 'x\0--bind\0/\0/' } }],
    ['a name with =', { env: { 'A=B': 'x' } }],
    ['a secret that climbs', { secretFiles: [{ name: '..', content: { expose: () => Buffer.from('') } }] }],
    ['a mount over the root', { mounts: [{ source: '/', target: '/' }] }],
    ['a mount over /proc', { mounts: [{ source: '/proc', target: '/proc/1' }] }],
    ['a mount over the secrets', { mounts: [{ source: '/x', target: '/run/secrets/a' }] }],
    ['a mount above the secrets', { mounts: [{ source: '/x', target: '/run' }] }],
    ['a mount that climbs', { mounts: [{ source: '/x', target: '/opt/../proc' }] }],
    ['a relative directory', { workdir: 'x' }],
    ['a negative limit', { limits: { cpus: -1 } }],
    ['no port', { ingressPort: 70_000 }],
    ['a huge argument', { command: ['sh', 'x'.repeat(200_000)] }],
  ])('with %s is refused', (_, change) => {
    expect(() => validateSpec({ ...spec, ...change })).toThrow(
      expect.objectContaining({ code: 'sandbox.spec' }),
    );
  });

  it('that is plain is taken', () => {
    expect(() => validateSpec({ ...spec, mounts: [{ source: '/x', target: '/opt/tools/a' }] })).not.toThrow();
    expect(() => encodeArguments(['a\0b'])).toThrow(/NUL/);
  });
});

describe('a root', () => {
  it('made of an image brings nothing over our own places, and no devices', () => {
    for (const name of ['usr', 'proc', 'dev', '.sallyport', 'workspace', 'etc'])
      mkdirSync(join(directory, name));
    writeFileSync(join(directory, 'etc', 'passwd'), 'evil');
    writeFileSync(join(directory, 'etc', 'os-release'), 'x');
    symlinkSync('/../../../etc', join(directory, 'link'));

    const args = rootArguments({
      root: { kind: 'image', directory },
      generated: '/g',
      stage: (path) => path,
    });

    expect(args.filter((arg) => arg.startsWith(directory)).sort()).toEqual([
      join(directory, 'etc', 'os-release'),
      join(directory, 'usr'),
    ]);
    expect(args.join(' ')).toContain('--symlink /../../../etc /link');
    expect(args.join(' ')).toContain('--ro-bind /g/passwd /etc/passwd');
  });

  it('made of the host takes no system directory from an overlay', () => {
    mkdirSync(join(directory, 'usr'));

    expect(() =>
      rootArguments({ root: { kind: 'host', overlay: directory }, generated: '/g', stage: (path) => path }),
    ).toThrow(expect.objectContaining({ code: 'sandbox.root_conflict' }));
  });
});

describe('the status bwrap tells', () => {
  it('is read across chunks, and noise is passed over', async () => {
    const status = readStatus(
      Readable.from([Buffer.from('{"child-'), Buffer.from('pid": 42}\nnoise\n[1]\n{"exit-code": 3}')]),
    );

    expect(await status.pid).toBe(42);
    await status.ended;
    expect(status.exitCode()).toBe(3);
  });
});

describe('what a trial showed', () => {
  const intended: Isolation = {
    executor: 'bubblewrap',
    version: '0.8.0',
    namespaces: [],
    seccomp: true,
    noNewPrivileges: true,
    capabilitiesDropped: true,
    nestedUserNamespaces: 'blocked',
    memoryLimit: 'none',
    processLimit: 'rlimit',
    cpuLimit: 'none',
    diskLimit: 'watched',
  };
  const zero = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']
    .map((name) => `${name}:\t0000000000000000`)
    .join('\n');
  const namespaces = ['user', 'mnt', 'pid', 'ipc', 'uts', 'net', 'cgroup']
    .map((name) => `ns ${name} ${name}:[1]`)
    .join('\n');
  const good = `${zero}\nNoNewPrivs:\t1\nSeccomp:\t2\n${namespaces}\ndone\n`;

  it.each([
    ['no filter', good.replace('Seccomp:\t2', 'Seccomp:\t0'), 'seccomp'],
    ['new privileges', good.replace('NoNewPrivs:\t1', 'NoNewPrivs:\t0'), 'no_new_privs'],
    ['a capability', good.replace('CapBnd:\t0000000000000000', 'CapBnd:\t0000000000200000'), 'capabilities'],
    ['a nested namespace', good.replace('done', 'nested\ndone'), 'nested'],
    ["the host's network", good.replace('ns net net:[1]', `ns net ${netNamespace()}`), 'net namespace'],
    ['nothing', '', 'seccomp'],
  ])('with %s is refused', (_, trial, what) => {
    expect(() => measuredIsolation(intended, trial)).toThrow(what);
  });

  it('is what is claimed', () => {
    expect(measuredIsolation(intended, good)).toMatchObject({
      seccomp: true,
      namespaces: expect.arrayContaining(['net']),
    });
    expect(lacksOf(intended).map(({ enable }) => enable)).toHaveLength(3);
  });
});

function netNamespace(): string {
  return /net:\[\d+\]/.exec(readlinkSync('/proc/self/ns/net'))?.[0] ?? '';
}

describe('a host without control groups', () => {
  it('still confines, says what it lacks and how to enable it', async () => {
    const bench = await openBench({ withoutGroups: true });

    const { isolation, lacks, usable } = await probe({
      stateDirectory: join(directory, 'state'),
      node: process.execPath,
      clock: { now: () => new Date() },
      log: silentLog,
      withoutGroups: true,
    });
    const memory = await bench.run(`perl -e 'my $x = "x" x (400 * 1024 * 1024); print "HELD"'`, {
      limits: { memoryMb: 64 },
    });
    const forks = await bench.run(`for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & done; wait`, {
      limits: { processes: 6 },
    });
    bench.close();

    expect(usable).toBe(true);
    expect(isolation).toMatchObject({
      memoryLimit: 'rlimit',
      processLimit: 'rlimit',
      cpuLimit: 'none',
      seccomp: true,
    });
    expect(lacks).toHaveLength(3);
    expect(memory.output).not.toContain('HELD');
    expect(forks.output).toMatch(/fork/i);
  });
});

describe('control groups version 2', () => {
  it('are found in our delegated group and used by their files', () => {
    const mount = join(directory, 'cgroup');
    const proc = join(directory, 'proc');
    mkdirSync(join(mount, 'user'), { recursive: true });
    mkdirSync(proc);
    writeFileSync(join(proc, 'mounts'), `none ${mount} cgroup2 rw 0 0\n`);
    writeFileSync(join(proc, 'cgroup'), '0::/user\n');
    writeFileSync(join(mount, 'user', 'cgroup.controllers'), 'cpu memory pids io\n');

    const groups = findGroups({ procSelf: proc, name: 'test' });
    const own = createV2({ directory: join(mount, 'user'), controllers: ['cpu', 'memory', 'pids'] });
    const group = own.create('step', { cpus: 1.5, memoryBytes: 1024, processes: 7 });
    const read = (name: string): string => readFileSync(join(mount, 'user', 'step', name), 'utf8');
    writeFileSync(join(mount, 'user', 'step', 'memory.events'), 'low 0\noom 2\noom_kill 1\n');
    writeFileSync(join(mount, 'user', 'step', 'pids.events'), 'max 9\n');
    group.kill();

    expect(groups?.version).toBe(2);
    expect(groups?.controllers).toEqual(['memory', 'pids', 'cpu']);
    expect([read('memory.max'), read('pids.max'), read('cpu.max')]).toEqual(['1024', '7', '150000 100000']);
    expect(read('memory.swap.max')).toBe('0');
    expect(read('cgroup.kill')).toBe('1');
    expect(group.usage()).toEqual({ peakMemoryBytes: 0, memoryKills: 1, refusedForks: 9 });
  });
});

describe('the installer', () => {
  const host = (
    programs: readonly string[],
    isRoot: boolean,
    works = true,
  ): InstallHost & { ran: string[] } => {
    const present = new Set(programs);
    const ran: string[] = [];
    return {
      isRoot,
      ran,
      find: (program) => (present.has(program) ? `/usr/bin/${program}` : undefined),
      async run(command) {
        ran.push(command.join(' '));
        if (command.includes('bubblewrap') && works) present.add('bwrap');
        return works;
      },
    };
  };

  it.each([
    ['apt-get', 'apt-get install --yes --no-install-recommends bubblewrap'],
    ['dnf', 'dnf install --assumeyes bubblewrap'],
    ['apk', 'apk add bubblewrap'],
    ['pacman', 'pacman --sync --noconfirm bubblewrap'],
    ['zypper', 'zypper --non-interactive install bubblewrap'],
  ])('uses %s as root, and sudo otherwise', async (manager, command) => {
    const root = host([manager], true);
    const sudoer = host([manager, 'sudo'], false);

    expect(await ensureBubblewrap(silentLog, root)).toEqual({ installed: true });
    expect(await ensureBubblewrap(silentLog, sudoer)).toEqual({ installed: true });

    expect(root.ran).toEqual([command]);
    expect(sudoer.ran).toEqual(['/usr/bin/sudo -n true', `/usr/bin/sudo -n ${command}`]);
    expect(installCommand(sudoer)).toBe(`sudo ${command}`);
  });

  it('gives the one line to run where it may not, and never goes on without', async () => {
    await expect(ensureBubblewrap(silentLog, host(['apt-get'], false))).rejects.toMatchObject({
      code: 'sandbox.bubblewrap_missing',
      hint: 'run: sudo apt-get install --yes --no-install-recommends bubblewrap',
    });
    await expect(ensureBubblewrap(silentLog, host(['dnf'], true, false))).rejects.toMatchObject({
      code: 'sandbox.bubblewrap_missing',
    });
    await expect(ensureBubblewrap(silentLog, host([], true))).rejects.toMatchObject({
      code: 'sandbox.bubblewrap_missing',
    });
  });
});
