import { open } from 'node:fs/promises';
import { Fault } from '@sallyport/formats';

/** What the loader would read of an ELF file (System V ABI, gABI chapter 5), 64-bit little-endian only. */
export interface Elf {
  readonly machine: number;
  /** PT_INTERP; absent for libraries and static programs. */
  readonly interpreter?: string;
  /** DT_NEEDED. */
  readonly needed: readonly string[];
  /** DT_RUNPATH, else DT_RPATH. */
  readonly searchPaths: readonly string[];
}

const maxHeaders = 128;
const maxDynamicBytes = 1024 * 1024;
const maxStringBytes = 16 * 1024 * 1024;
const segment = { load: 1, dynamic: 2, interpreter: 3 } as const;
const tag = { end: 0n, needed: 1n, strings: 5n, stringsSize: 10n, rpath: 15n, runpath: 29n } as const;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/** Undefined when the file is no ELF at all; a Fault when it is one and broken. */
export async function readElf(path: string): Promise<Elf | undefined> {
  const file = await open(path, 'r');
  try {
    const read = async (offset: number, size: number): Promise<Buffer> => {
      const buffer = Buffer.alloc(size);
      const { bytesRead } = await file.read(buffer, 0, size, offset);
      if (bytesRead !== size) throw broken(path, 'a whole file');
      return buffer;
    };
    const { size } = await file.stat();
    if (size < 64) return undefined;
    const header = await read(0, 64);
    if (header.readUInt32BE(0) !== 0x7f454c46) return undefined;
    if (header[4] !== 2 || header[5] !== 1) throw broken(path, 'a 64-bit little-endian file');
    const count = header.readUInt16LE(56);
    if (header.readUInt16LE(54) !== 56 || count > maxHeaders) throw broken(path, 'a usual program header');
    const segments = segmentsOf(await read(safe(header.readBigUInt64LE(32), path), count * 56), count, path);

    const interpreter = segments.find(({ type }) => type === segment.interpreter);
    const dynamic = segments.find(({ type }) => type === segment.dynamic);
    const machine = header.readUInt16LE(18);
    if (dynamic === undefined) return { machine, needed: [], searchPaths: [] };
    if (dynamic.size > maxDynamicBytes || (interpreter?.size ?? 0) > 4096)
      throw broken(path, 'a usual dynamic section');
    const names = await dynamicNames(await read(dynamic.offset, dynamic.size), segments, read, path);
    return {
      machine,
      ...names,
      ...(interpreter === undefined
        ? {}
        : { interpreter: text(await read(interpreter.offset, interpreter.size), 0) }),
    };
  } finally {
    await file.close();
  }
}

async function dynamicNames(
  table: Buffer,
  segments: readonly Segment[],
  read: (offset: number, size: number) => Promise<Buffer>,
  path: string,
): Promise<Pick<Elf, 'needed' | 'searchPaths'>> {
  const needed: bigint[] = [];
  let strings = 0n;
  let stringsSize = 0n;
  let rpath: bigint | undefined;
  let runpath: bigint | undefined;
  for (let at = 0; at + 16 <= table.length; at += 16) {
    const value = table.readBigUInt64LE(at + 8);
    const kind = table.readBigUInt64LE(at);
    if (kind === tag.end) break;
    if (kind === tag.needed) needed.push(value);
    else if (kind === tag.strings) strings = value;
    else if (kind === tag.stringsSize) stringsSize = value;
    else if (kind === tag.rpath) rpath = value;
    else if (kind === tag.runpath) runpath = value;
  }
  if (needed.length > 1000 || stringsSize > BigInt(maxStringBytes))
    throw broken(path, 'a usual dynamic section');
  // DT_STRTAB is an address in memory; the segment that is loaded there says where it is in the file.
  const address = safe(strings, path);
  const home = segments.find(
    ({ type, address: start, size }) => type === segment.load && start <= address && address < start + size,
  );
  if (home === undefined) throw broken(path, 'its string table');
  const table2 = await read(home.offset + address - home.address, safe(stringsSize, path));
  const named = (offset: bigint) => text(table2, safe(offset, path));
  const search = runpath ?? rpath;
  return {
    needed: needed.map(named),
    searchPaths:
      search === undefined
        ? []
        : named(search)
            .split(':')
            .filter((part) => part !== ''),
  };
}

function segmentsOf(table: Buffer, count: number, path: string): readonly Segment[] {
  return Array.from({ length: count }, (_, index) => {
    const at = index * 56;
    return {
      type: table.readUInt32LE(at),
      offset: safe(table.readBigUInt64LE(at + 8), path),
      address: safe(table.readBigUInt64LE(at + 16), path),
      size: safe(table.readBigUInt64LE(at + 32), path),
    };
  });
}

function text(bytes: Buffer, offset: number): string {
  const end = bytes.indexOf(0, offset);
  return bytes.toString('latin1', offset, end < 0 ? bytes.length : end);
}

function safe(value: bigint, path: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw broken(path, 'offsets inside the file');
  return number;
}

function broken(path: string, expected: string): Fault {
  return new Fault('invalid', 'build.bad_elf', `expected ${expected} in the program "${path}"`);
}
