import { arch } from "node:process";

/** Numbers of system calls by machine: x64, arm64. -1: there is none. */
const CALLS: Readonly<Record<string, readonly [number, number]>> = {
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  unshare: [272, 97],
  setns: [308, 268],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  name_to_handle_at: [303, 264],
  open_by_handle_at: [304, 265],
  swapon: [167, 224],
  swapoff: [168, 225],
  reboot: [169, 142],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  acct: [163, 89],
  quotactl: [179, 60],
  syslog: [103, 116],
  iopl: [172, -1],
  ioperm: [173, -1],
  vhangup: [153, 58],
  pidfd_getfd: [438, 438],
};

const MACHINES: Readonly<Record<string, { readonly column: 0 | 1; readonly audit: number }>> = {
  x64: { column: 0, audit: 0xc000003e },
  arm64: { column: 1, audit: 0xc00000b7 },
};

const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;
const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const errno = (code: number): number => 0x00050000 | code;
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWTIME. */
const NAMESPACE_FLAGS = 0x7e020080;
/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: others, such as AF_VSOCK, leave the network namespace or the sandbox. */
const FAMILIES = [1, 2, 10, 16];
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
const SET_USER_ID = 0o4000;

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number];
const load = (offset: number): Instruction => [0x20, 0, 0, offset];
const give = (value: number): Instruction => [0x06, 0, 0, value];
const ifEqual = (value: number, isTrue: number, isFalse: number): Instruction => [
  0x15,
  isTrue,
  isFalse,
  value,
];
const ifAnyBit = (value: number, isTrue: number, isFalse: number): Instruction => [
  0x45,
  isTrue,
  isFalse,
  value,
];
const argument = (index: number): number => 16 + 8 * index;

/** Runs a check of an argument when the call has this number; otherwise goes on behind it. */
function onCall(number: number, check: readonly Instruction[]): Instruction[] {
  return number < 0 ? [] : [load(0), ifEqual(number, 0, check.length), ...check];
}

function refuseBits(index: number, bits: number): Instruction[] {
  return [load(argument(index)), ifAnyBit(bits, 0, 1), give(errno(EPERM)), give(ALLOW)];
}

function buildInstructions(column: 0 | 1, audit: number): Instruction[] {
  const pick = (pair: readonly [number, number]): number => pair[column];
  const program: Instruction[] = [load(4), ifEqual(audit, 1, 0), give(KILL_PROCESS), load(0)];
  // The x32 calls have numbers of their own.
  if (column === 0) program.push([0x35, 0, 1, 0x40000000], give(errno(ENOSYS)));
  for (const pair of Object.values(CALLS)) {
    if (pick(pair) >= 0) program.push(ifEqual(pick(pair), 0, 1), give(errno(EPERM)));
  }
  // clone3 hides its flags from a filter; C libraries fall back to clone.
  program.push(ifEqual(435, 0, 1), give(errno(ENOSYS)));
  const families = FAMILIES.map((family, index): Instruction => ifEqual(family, FAMILIES.length - index, 0));
  const terminal = [
    load(argument(1)),
    ifEqual(TIOCSTI, 1, 0),
    ifEqual(TIOCLINUX, 0, 1),
    give(errno(EPERM)),
    give(ALLOW),
  ];
  return [
    ...program,
    ...onCall(pick([56, 220]), refuseBits(0, NAMESPACE_FLAGS)),
    ...onCall(pick([41, 198]), [load(argument(0)), ...families, give(errno(EAFNOSUPPORT)), give(ALLOW)]),
    ...onCall(pick([16, 29]), terminal),
    ...onCall(pick([90, -1]), refuseBits(1, SET_USER_ID)),
    ...onCall(pick([91, 52]), refuseBits(1, SET_USER_ID)),
    ...onCall(pick([268, 53]), refuseBits(2, SET_USER_ID)),
    ...onCall(452, refuseBits(2, SET_USER_ID)),
    give(ALLOW),
  ];
}

/**
 * The system call filter of the sandbox as hexadecimal BPF, or null on a machine whose call numbers are not known. Refused
 * calls answer EPERM (ENOSYS for clone3, EAFNOSUPPORT for odd sockets) and the caller goes on; a foreign ABI is killed.
 */
export function createSeccompFilter(machine: string = arch): string | null {
  const known = MACHINES[machine];
  if (known === undefined) return null;
  const instructions = buildInstructions(known.column, known.audit);
  const bytes = Buffer.alloc(instructions.length * 8);
  for (const [index, [code, isTrue, isFalse, value]] of instructions.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(isTrue, index * 8 + 2);
    bytes.writeUInt8(isFalse, index * 8 + 3);
    bytes.writeUInt32LE(value >>> 0, index * 8 + 4);
  }
  return bytes.toString("hex");
}
