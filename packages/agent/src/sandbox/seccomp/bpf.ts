/**
 * Classic BPF as seccomp reads it (linux/filter.h, seccomp(2)): fixed 8-byte instructions over `struct seccomp_data`
 * {int nr; u32 arch; u64 ip; u64 args[6]}. We write it ourselves so that the whole policy is data in this folder and
 * no compiler or library is needed on the host.
 */
export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

const LD_W_ABS = 0x20;
const JMP_JEQ_K = 0x15;
const JMP_JGE_K = 0x35;
const JMP_JSET_K = 0x45;
const RET_K = 0x06;

export const offsets = { nr: 0, arch: 4 } as const;

/** Low 32 bits of argument `index`; both our machines are little-endian. */
export const argLow = (index: number): number => 16 + 8 * index;

export const actions = {
  allow: 0x7fff_0000,
  killProcess: 0x8000_0000,
  errno: (errno: number): number => 0x0005_0000 | (errno & 0xffff),
} as const;

export const load = (offset: number): Instruction => ({ code: LD_W_ABS, jt: 0, jf: 0, k: offset });
export const ret = (action: number): Instruction => ({ code: RET_K, jt: 0, jf: 0, k: action });

/** Jumps are relative and count instructions to skip; 8 bits, so blocks are kept short. */
const jump =
  (code: number) =>
  (k: number, skipIfTrue: number, skipIfFalse: number): Instruction => {
    if (skipIfTrue > 255 || skipIfFalse > 255) throw new RangeError('jump too far for classic BPF');
    return { code, jt: skipIfTrue, jf: skipIfFalse, k };
  };
export const jumpIfEqual = jump(JMP_JEQ_K);
export const jumpIfAtLeast = jump(JMP_JGE_K);
export const jumpIfAnyBit = jump(JMP_JSET_K);

/** The kernel refuses longer programs (BPF_MAXINSNS). */
const maxInstructions = 4096;

/** The bytes `bwrap --seccomp` wants: an array of struct sock_filter, little-endian. */
export function encode(program: readonly Instruction[]): Uint8Array {
  if (program.length > maxInstructions) throw new RangeError('seccomp program too long');
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, instruction] of program.entries()) {
    view.setUint16(index * 8, instruction.code, true);
    view.setUint8(index * 8 + 2, instruction.jt);
    view.setUint8(index * 8 + 3, instruction.jf);
    view.setUint32(index * 8 + 4, instruction.k >>> 0, true);
  }
  return bytes;
}
