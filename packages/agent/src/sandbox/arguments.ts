import { constants, openSync } from 'node:fs';
import { Fault } from '@sallyport/formats';
import type { Features } from './features.ts';
import type { Limits, SandboxSpec } from './model.ts';
import { rootArguments } from './root.ts';
import { insideHome, insideUid, type Runtime } from './runtime.ts';

/** Fixed descriptors of the inner bwrap; data follows from `firstData` on. */
export const descriptors = { args: 3, seccomp: 4, status: 5, block: 6, firstData: 7 } as const;

const inside = '/.sallyport';
const mirrorPort = 4873;
const proxyPort = 3128;
export const ingressPath = `${inside}/ingress/s`;

export interface Arguments {
  /** For `--args FD`: neither paths nor values are ever seen in a process list. */
  readonly args: readonly string[];
  /** What bwrap runs; it takes that from argv only. The step's own script may be seen, its environment may not. */
  readonly command: readonly string[];
  /** Bytes for the descriptors from `firstData` on. */
  readonly data: readonly Uint8Array[];
  /** Whether the interior init runs first. */
  readonly usesInit: boolean;
}

export interface ArgumentsOptions {
  readonly spec: SandboxSpec;
  readonly limits: Limits;
  readonly runtime: Runtime;
  readonly features: Features;
  readonly stage: (source: string, writable: boolean) => string;
}

/** Everything the inner bwrap is told about one step. Order matters: later mounts lie on earlier ones. */
export function buildArguments({ spec, limits, runtime, features, stage }: ArgumentsOptions): Arguments {
  const data: Uint8Array[] = [];
  const descriptorOf = (bytes: Uint8Array): string => String(descriptors.firstData + data.push(bytes) - 1);
  const memory = String(Math.max(1, Math.floor(limits.memoryMb / 2)) * 1024 * 1024);
  const tmpfs = (mode: string, size: string, path: string): readonly string[] => [
    '--perms',
    mode,
    ...(features.size ? ['--size', size] : []),
    '--tmpfs',
    path,
  ];
  const staged = stage(runtime.directory, false);
  const within = (path: string): string => staged + path.slice(runtime.directory.length);

  const args: string[] = [
    '--unshare-all',
    '--unshare-user', // unshare-all only tries it
    ...(features.disableUserns ? ['--disable-userns'] : []),
    '--uid',
    String(insideUid),
    '--gid',
    String(insideUid),
    '--hostname',
    'sallyport',
    '--die-with-parent',
    '--new-session',
    '--cap-drop',
    'ALL',
    '--seccomp',
    String(descriptors.seccomp),
    '--json-status-fd',
    String(descriptors.status),
    '--block-fd',
    String(descriptors.block),
    ...['/etc', '/home', '/run', inside].flatMap((path) => ['--perms', '0755', '--dir', path]),
    ...rootArguments({
      root: spec.root,
      generated: within(runtime.etc),
      stage: (source) => stage(source, false),
    }),
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    ...tmpfs('1777', memory, '/dev/shm'),
    '--remount-ro',
    '/dev',
    ...tmpfs('1777', memory, '/tmp'),
    ...tmpfs('0700', memory, insideHome),
  ];

  if (spec.secretFiles !== undefined && spec.secretFiles.length > 0) {
    args.push(...tmpfs('0700', '16777216', '/run/secrets'));
    for (const { name, content } of spec.secretFiles) {
      args.push('--perms', '0400', '--file', descriptorOf(content.expose()), `/run/secrets/${name}`);
    }
    args.push('--remount-ro', '/run/secrets');
  }
  for (const mount of spec.mounts ?? []) {
    const writable = mount.writable === true;
    args.push(writable ? '--bind' : '--ro-bind', stage(mount.source, writable), mount.target);
  }
  if (spec.workspace !== undefined) args.push('--bind', stage(spec.workspace, true), '/workspace');

  const relays: Array<{ port: number; path: string }> = [];
  const socket = (source: string, name: string, port: number): void => {
    args.push('--ro-bind', stage(source, false), `${inside}/${name}`);
    relays.push({ port, path: `${inside}/${name}` });
  };
  if (spec.network?.mirror !== undefined) socket(spec.network.mirror, 'mirror.sock', mirrorPort);
  if (spec.network?.proxy !== undefined) socket(spec.network.proxy, 'proxy.sock', proxyPort);
  // Only a socket is ever made there; without a bound it would be a place to fill.
  if (spec.ingressPort !== undefined) args.push(...tmpfs('0700', '65536', `${inside}/ingress`));

  const env = {
    HOME: insideHome,
    PATH: '/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin',
    USER: 'sallyport',
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    TMPDIR: '/tmp',
    ...spec.env,
  };
  const workdir = spec.workdir ?? (spec.workspace === undefined ? '/' : '/workspace');
  const usesInit = relays.length > 0 || spec.ingressPort !== undefined;
  if (usesInit) {
    const ingress =
      spec.ingressPort === undefined ? undefined : { path: ingressPath, port: spec.ingressPort };
    const plan = JSON.stringify({ relays, ingress, command: spec.command, env, workdir });
    const planDescriptor = descriptorOf(Buffer.from(plan));
    args.push('--ro-bind', within(runtime.libraries), `${inside}/lib`);
    args.push('--ro-bind', within(runtime.init), `${inside}/init.cjs`);
    args.push('--ro-bind', stage(runtime.node, false), `${inside}/node`);
    args.push('--remount-ro', '/', '--chdir', '/');
    const init = [`${inside}/lib/${runtime.loader}`, '--library-path', `${inside}/lib`, `${inside}/node`];
    init.push('--max-old-space-size=64', `${inside}/init.cjs`, planDescriptor);
    return { args, data, usesInit, command: init };
  }
  // Set by bwrap and not in bwrap's own environment: LD_PRELOAD of a step must not act outside the sandbox.
  for (const [name, value] of Object.entries(env)) args.push('--setenv', name, value);
  args.push('--remount-ro', '/', '--chdir', workdir);
  return { args, data, usesInit, command: spec.command };
}

/** The bytes for `--args FD`. bwrap reads at most 9,000 arguments. */
export function encodeArguments(args: readonly string[]): Uint8Array {
  if (args.length > 8_000) {
    throw new Fault(
      'exhausted',
      'sandbox.arguments',
      `expected at most 8000 arguments for bwrap, got ${args.length}`,
    );
  }
  for (const arg of args) {
    if (arg.includes('\0'))
      throw new Fault('invalid', 'sandbox.arguments', 'an argument holds a NUL character');
  }
  return Buffer.from(args.map((arg) => `${arg}\0`).join(''));
}

/** Opens the ingress socket of a running sandbox without following anything the step may have put in its place. */
export function openIngress(pid: number): number | undefined {
  const O_PATH = 0x20_0000;
  try {
    return openSync(`/proc/${pid}/root${ingressPath}`, O_PATH | constants.O_NOFOLLOW);
  } catch {
    return undefined;
  }
}
