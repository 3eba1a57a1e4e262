import {
  actions,
  argLow,
  encode,
  type Instruction,
  jumpIfAnyBit,
  jumpIfAtLeast,
  jumpIfEqual,
  load,
  offsets,
  ret,
} from './bpf.ts';
import {
  auditArch,
  type Machine,
  newestKnown,
  type Syscall,
  syscallNames,
  syscallNumber,
  x32Bit,
} from './syscalls.ts';

/** The same numbers on both machines (asm-generic/errno.h). */
const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

const permit = ret(actions.allow);
const deny = ret(actions.errno(EPERM));

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. NEWTIME exists only for unshare and clone3. */
const cloneNewMask = 0x7e02_0000;

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;

/** TIOCSTI types into the terminal of whoever started us, TIOCLINUX pastes into a console. */
const terminalInjection = [0x5412, 0x541c];

/**
 * Calls judged by an argument. The kernel reads `domain`, `cmd` and the clone flags as 32 bits, so only the low word
 * counts: comparing all 64 is how other filters were walked around (CVE-2019-10063).
 */
const judged: Partial<Record<Syscall, readonly Instruction[]>> = {
  clone: [load(argLow(0)), jumpIfAnyBit(cloneNewMask, 0, 1), deny, permit],
  // Its flags are behind a pointer, out of our reach; libc falls back to clone on ENOSYS.
  clone3: [ret(actions.errno(ENOSYS))],
  socket: socketRule(),
  socketpair: socketRule(),
  personality: [
    load(argLow(0)),
    jumpIfEqual(0, 1, 0),
    jumpIfEqual(0xffff_ffff, 0, 1), // only asks
    permit,
    deny,
  ],
  ioctl: [
    load(argLow(1)),
    ...terminalInjection.flatMap((command) => [jumpIfEqual(command, 0, 1), deny]),
    permit,
  ],
};

/** Unix and internet sockets; netlink only for route, which libc asks for the list of interfaces. */
function socketRule(): readonly Instruction[] {
  return [
    load(argLow(0)),
    ...[AF_UNIX, AF_INET, AF_INET6].flatMap((family) => [jumpIfEqual(family, 0, 1), permit]),
    jumpIfEqual(AF_NETLINK, 0, 3),
    load(argLow(2)),
    jumpIfEqual(NETLINK_ROUTE, 0, 1),
    permit,
    ret(actions.errno(EAFNOSUPPORT)),
  ];
}

/**
 * The deny-list as a program. It knows every call up to `newestKnown`; later ones do not exist as far as a step can
 * tell, so that a new kernel does not widen the sandbox by itself.
 */
export function stepFilter(machine: Machine): readonly Instruction[] {
  const program: Instruction[] = [
    load(offsets.arch),
    jumpIfEqual(auditArch[machine], 1, 0),
    ret(actions.killProcess), // 32-bit calls have other numbers: i386 on x86_64, arm on arm64
    load(offsets.nr),
    jumpIfAtLeast(machine === 'x64' ? x32Bit : 0x8000_0000, 0, 1),
    ret(actions.killProcess),
    jumpIfAtLeast(newestKnown + 1, 0, 1),
    ret(actions.errno(ENOSYS)),
  ];
  for (const name of syscallNames) {
    const number = syscallNumber(name, machine);
    if (number === undefined) continue;
    const block = judged[name] ?? [deny];
    // Each block ends in a return, so falling out of one is impossible and the accumulator still holds the number.
    program.push(jumpIfEqual(number, 0, block.length), ...block);
  }
  program.push(permit);
  return program;
}

export function stepFilterBytes(machine: Machine): Uint8Array {
  return encode(stepFilter(machine));
}
