import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { actions, encode, type Instruction } from './bpf.ts';
import { stepFilter, stepFilterBytes } from './filter.ts';
import {
  auditArch,
  type Machine,
  newestKnown,
  type Syscall,
  syscallNames,
  syscallNumber,
  x32Bit,
} from './syscalls.ts';

const EPERM = actions.errno(1);
const ENOSYS = actions.errno(38);
const EAFNOSUPPORT = actions.errno(97);

interface Call {
  readonly arch?: number;
  readonly nr: number;
  readonly args?: readonly bigint[];
}

/** Runs classic BPF as the kernel does, over the encoded bytes, so that the encoding is tested too. */
function run(machine: Machine, call: Call): number {
  const code = new DataView(stepFilterBytes(machine).buffer);
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, call.nr, true);
  data.setUint32(4, call.arch ?? auditArch[machine], true);
  for (const [index, arg] of (call.args ?? []).entries()) data.setBigUint64(16 + index * 8, arg, true);

  let accumulator = 0;
  for (let pc = 0; ; pc += 1) {
    const op = code.getUint16(pc * 8, true);
    const jt = code.getUint8(pc * 8 + 2);
    const jf = code.getUint8(pc * 8 + 3);
    const k = code.getUint32(pc * 8 + 4, true);
    if (op === 0x20) accumulator = data.getUint32(k, true);
    else if (op === 0x06) return k;
    else if (op === 0x15) pc += accumulator === k ? jt : jf;
    else if (op === 0x35) pc += accumulator >= k ? jt : jf;
    else if (op === 0x45) pc += (accumulator & k) !== 0 ? jt : jf;
    else throw new Error(`unknown instruction ${op}`);
  }
}

const must = (name: Syscall, machine: Machine): number => {
  const number = syscallNumber(name, machine);
  if (number === undefined) throw new Error(`${name} is missing on ${machine}`);
  return number;
};

const judged: readonly Syscall[] = ['clone', 'clone3', 'socket', 'socketpair', 'personality', 'ioctl'];

describe.each(['x64', 'arm64'] as const)('the filter on %s', (machine) => {
  it('refuses every listed call with EPERM', () => {
    for (const name of syscallNames) {
      const nr = syscallNumber(name, machine);
      if (nr === undefined || judged.includes(name)) continue;
      expect(run(machine, { nr }), name).toBe(EPERM);
    }
  });

  it('kills on a foreign architecture, whatever the call', () => {
    for (const arch of [0x4000_0003, 0x4000_0028, auditArch[machine === 'x64' ? 'arm64' : 'x64'], 0]) {
      expect(run(machine, { arch, nr: 39 })).toBe(actions.killProcess);
    }
  });

  it('knows no call newer than its table', () => {
    expect(run(machine, { nr: newestKnown + 1 })).toBe(ENOSYS);
    expect(run(machine, { nr: 1000 })).toBe(ENOSYS);
  });

  it('refuses clone with any namespace flag, in any company, and lets threads be', () => {
    const nr = must('clone', machine);
    for (const flag of [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]) {
      expect(run(machine, { nr, args: [BigInt(flag | 17)] })).toBe(EPERM);
    }
    expect(run(machine, { nr, args: [0x3d0f00n] })).toBe(actions.allow);
    expect(run(machine, { nr: must('clone3', machine) })).toBe(ENOSYS);
  });

  it('compares 32-bit arguments as 32 bits, so that high garbage hides nothing', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 0xffff_ffffn }), (high) => {
        const at = (low: bigint): bigint => (high << 32n) | low;
        expect(run(machine, { nr: must('ioctl', machine), args: [0n, at(0x5412n)] })).toBe(EPERM);
        expect(run(machine, { nr: must('clone', machine), args: [at(0x10000011n)] })).toBe(EPERM);
        expect(run(machine, { nr: must('socket', machine), args: [at(40n), 1n, 0n] })).toBe(EAFNOSUPPORT);
      }),
    );
  });

  it('lets only unix, internet and route sockets be made', () => {
    for (const call of ['socket', 'socketpair'] as const) {
      const nr = must(call, machine);
      for (let family = 0n; family < 64n; family += 1n) {
        const verdict = run(machine, { nr, args: [family, 3n, 0n] });
        expect(verdict, `family ${family}`).toBe(
          [1n, 2n, 10n, 16n].includes(family) ? actions.allow : EAFNOSUPPORT,
        );
      }
      expect(run(machine, { nr, args: [16n, 3n, 9n] }), 'netlink audit').toBe(EAFNOSUPPORT);
    }
  });

  it('lets a step ask for its personality and set the plain one only', () => {
    const nr = must('personality', machine);
    expect(run(machine, { nr, args: [0xffff_ffffn] })).toBe(actions.allow);
    expect(run(machine, { nr, args: [0n] })).toBe(actions.allow);
    expect(run(machine, { nr, args: [0x0040000n] })).toBe(EPERM);
  });

  it('lets ordinary calls through', () => {
    const listed = new Set(syscallNames.map((name) => syscallNumber(name, machine)));
    for (let nr = 0; nr <= newestKnown; nr += 1) {
      if (!listed.has(nr)) expect(run(machine, { nr })).toBe(actions.allow);
    }
  });
});

describe('the filter on x64', () => {
  it('kills on x32 calls', () => {
    expect(run('x64', { nr: x32Bit | 1 })).toBe(actions.killProcess);
    expect(run('x64', { nr: 0xffff_ffff })).toBe(actions.killProcess);
  });
});

describe('a program', () => {
  it('fits into what the kernel takes', () => {
    expect(stepFilter('x64').length).toBeLessThan(4096);
    const long: Instruction[] = Array.from({ length: 4097 }, () => ({ code: 6, jt: 0, jf: 0, k: 0 }));
    expect(() => encode(long)).toThrow(RangeError);
  });
});
