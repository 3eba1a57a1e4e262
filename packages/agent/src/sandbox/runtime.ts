import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { Fault } from '@sallyport/formats';
import { stepFilterBytes } from './seccomp/filter.ts';

/** Who a step is inside, whatever the host calls it. */
export const insideUid = 1000;
export const insideHome = '/home/sallyport';

/** Files made once per agent start and shared read-only by all sandboxes. */
export interface Runtime {
  readonly directory: string;
  readonly etc: string;
  readonly seccomp: string;
  readonly init: string;
  readonly libraries: string;
  /** File name of the loader within `libraries`. */
  readonly loader: string;
  readonly node: string;
}

const etcFiles: Readonly<Record<string, string>> = {
  passwd: `root:x:0:0::/nonexistent:/bin/false\nsallyport:x:${insideUid}:${insideUid}::${insideHome}:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n`,
  group: `root:x:0:\nsallyport:x:${insideUid}:\nnogroup:x:65534:\n`,
  hosts: '127.0.0.1 localhost sallyport\n::1 localhost\n',
  'resolv.conf': '# no resolver: names are resolved by the proxy outside\noptions timeout:1 attempts:1\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n',
};

/**
 * Prepares the interior's files below `stateDirectory`. The loader and libraries of `node` are copied, so that the
 * init runs in any root file system: it never uses a library of the image, which may be another libc or hostile.
 */
export function prepareRuntime(stateDirectory: string, node: string): Runtime {
  const machine = process.arch;
  if (machine !== 'x64' && machine !== 'arm64') {
    throw new Fault('precondition', 'sandbox.machine', `expected an x64 or arm64 machine, found ${machine}`);
  }
  const nodePath = realpathSync(node);
  const libraries = listLibraries(nodePath);
  const initSource = readFileSync(new URL('./interior/init.cjs', import.meta.url));
  const seccomp = stepFilterBytes(machine);
  const key = createHash('sha256')
    .update(JSON.stringify([nodePath, libraries, etcFiles]))
    .update(initSource)
    .update(seccomp)
    .digest('hex')
    .slice(0, 16);

  const directory = join(stateDirectory, 'runtime', key);
  const runtime: Runtime = {
    directory,
    etc: join(directory, 'etc'),
    seccomp: join(directory, 'step.bpf'),
    init: join(directory, 'init.cjs'),
    libraries: join(directory, 'lib'),
    loader: basename(libraries.loader),
    node: nodePath,
  };

  // Written anew at each start: what lies there may have been changed while no agent was looking.
  const temporary = `${directory}.${process.pid}`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(join(temporary, 'etc'), { recursive: true, mode: 0o755 });
  mkdirSync(join(temporary, 'lib'), { mode: 0o755 });
  for (const [name, text] of Object.entries(etcFiles))
    writeFileSync(join(temporary, 'etc', name), text, { mode: 0o644 });
  writeFileSync(join(temporary, 'step.bpf'), seccomp, { mode: 0o644 });
  writeFileSync(join(temporary, 'init.cjs'), initSource, { mode: 0o644 });
  for (const library of [libraries.loader, ...libraries.shared]) {
    const target = join(temporary, 'lib', basename(library));
    copyFileSync(library, target);
    chmodSync(target, 0o755);
  }
  for (const each of ['', 'etc', 'lib']) chmodSync(join(temporary, each), 0o755);
  rmSync(directory, { recursive: true, force: true });
  renameSync(temporary, directory);
  return runtime;
}

interface Libraries {
  readonly loader: string;
  readonly shared: readonly string[];
}

/** Asks the loader itself (what ldd does) which files `program` needs. */
function listLibraries(program: string): Libraries {
  const interpreter = readInterpreter(program);
  const text = execFileSync(interpreter, ['--list', program], { encoding: 'utf8', env: {}, timeout: 10_000 });
  const shared: string[] = [];
  for (const line of text.split('\n')) {
    const path = /=> (\/\S+) \(0x/.exec(line)?.[1];
    if (path !== undefined && existsSync(path)) shared.push(path);
  }
  return { loader: interpreter, shared };
}

/** PT_INTERP of a 64-bit little-endian ELF file. */
function readInterpreter(program: string): string {
  const head = Buffer.alloc(65_536);
  const file = openSync(program, 'r');
  readSync(file, head, 0, head.length, 0);
  closeSync(file);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const isElf64 = head[0] === 0x7f && head[1] === 0x45 && head[4] === 2 && head[5] === 1;
  if (!isElf64)
    throw new Fault('precondition', 'sandbox.node', `expected "${program}" to be a 64-bit ELF program`);
  const table = Number(view.getBigUint64(32, true));
  const entrySize = view.getUint16(54, true);
  const entries = view.getUint16(56, true);
  for (let index = 0; index < entries; index += 1) {
    const at = table + index * entrySize;
    if (view.getUint32(at, true) !== 3) continue;
    const offset = Number(view.getBigUint64(at + 8, true));
    const size = Number(view.getBigUint64(at + 32, true));
    return head.subarray(offset, offset + size - 1).toString('utf8');
  }
  throw new Fault('precondition', 'sandbox.node', `expected "${program}" to be dynamically linked`);
}
