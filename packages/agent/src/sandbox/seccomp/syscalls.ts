/** The two machines we write filters for, by Node's `process.arch`. */
export type Machine = 'x64' | 'arm64';

/** AUDIT_ARCH_* (linux/audit.h). */
export const auditArch: Readonly<Record<Machine, number>> = { x64: 0xc000_003e, arm64: 0xc000_00b7 };

/** x32 calls come under the x86_64 architecture with this bit set in the number (asm/unistd.h). */
export const x32Bit = 0x4000_0000;

/** The newest call this table was written against (Linux 6.17, file_setattr); the same number on both machines. */
export const newestKnown = 469;

/** Number on x86_64, number on arm64; -1 where the machine does not have the call. */
const table = {
  // file systems and roots
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  open_tree: [428, 428],
  open_tree_attr: [467, 467],
  move_mount: [429, 429],
  mount_setattr: [442, 442],
  statmount: [457, 457],
  listmount: [458, 458],
  open_by_handle_at: [304, 265],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  swapon: [167, 224],
  swapoff: [168, 225],
  sysfs: [139, -1],
  fanotify_init: [300, 262],
  // other processes
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  process_madvise: [440, 440],
  process_mrelease: [448, 448],
  pidfd_getfd: [438, 438],
  kcmp: [312, 272],
  move_pages: [279, 239],
  migrate_pages: [256, 238],
  // namespaces
  setns: [308, 268],
  unshare: [272, 97],
  clone: [56, 220],
  clone3: [435, 435],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  // the kernel itself
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  create_module: [174, -1],
  get_kernel_syms: [177, -1],
  query_module: [178, -1],
  nfsservctl: [180, 42],
  _sysctl: [156, -1],
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  lookup_dcookie: [212, 18],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  lsm_set_self_attr: [460, 460],
  // keyrings are not namespaced by anything we unshare
  keyctl: [250, 219],
  add_key: [248, 217],
  request_key: [249, 218],
  // the machine
  reboot: [169, 142],
  acct: [163, 89],
  syslog: [103, 116],
  vhangup: [153, 58],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  clock_adjtime: [305, 266],
  adjtimex: [159, 171],
  iopl: [172, -1],
  ioperm: [173, -1],
  modify_ldt: [154, -1],
  uselib: [134, -1],
  // judged by their arguments
  socket: [41, 198],
  socketpair: [53, 199],
  personality: [135, 92],
  ioctl: [16, 29],
} as const satisfies Readonly<Record<string, readonly [number, number]>>;

export type Syscall = keyof typeof table;
export const syscallNames = Object.keys(table) as readonly Syscall[]; // the keys of a literal are its own names

/** The call's number on `machine`, or undefined where it does not exist. */
export function syscallNumber(name: Syscall, machine: Machine): number | undefined {
  const number = table[name][machine === 'x64' ? 0 : 1];
  return number < 0 ? undefined : number;
}
