import { execFile } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Fault } from '@sallyport/formats';

const run = promisify(execFile);

export interface Pipe {
  /** Given to the child as its stdout and stderr, then closed here with `closeWriter`. */
  readonly writer: number;
  readonly reader: Socket;
  closeWriter(): void;
}

export interface Pipes {
  open(): Promise<Pipe>;
}

const batch = 8;

/**
 * Real pipes. What Node calls a pipe is a socket, on which `echo x > /dev/stderr` fails, and two of them lose the
 * order of stdout and stderr. Node cannot make a pipe, so named ones are made in batches and unlinked once open.
 */
export function createPipes(directory: string): Pipes {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const ready: string[] = [];
  let made = 0;
  let filling: Promise<void> | undefined;

  async function fill(): Promise<void> {
    const names = Array.from({ length: batch }, (_, index) => join(directory, `p${made + index}`));
    made += batch;
    await run('mkfifo', names, { env: { PATH: '/usr/bin:/bin' } });
    // The step's user opens it again through /dev/stdout; the directory keeps everyone else away.
    for (const name of names) chmodSync(name, 0o666);
    ready.push(...names);
  }

  return {
    async open() {
      while (ready.length === 0) {
        filling ??= fill().finally(() => {
          filling = undefined;
        });
        await filling;
      }
      const path = ready.pop();
      if (path === undefined) throw new Fault('internal', 'sandbox.pipe', 'expected a pipe, found none');
      const input = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const writer = openSync(path, constants.O_WRONLY);
      rmSync(path);
      const reader = new Socket({ fd: input, readable: true, writable: false });
      let open = true;
      return {
        writer,
        reader,
        closeWriter() {
          if (open) closeSync(writer);
          open = false;
        },
      };
    },
  };
}

/**
 * Descriptors this process inherited without close-on-exec: every child would get them too, and a directory among
 * them is a way out of a sandbox. Node opens its own with close-on-exec, so these came from whoever started the agent.
 */
export function inheritedDescriptors(): readonly number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc/self/fd')) {
    const descriptor = Number(name);
    if (descriptor <= 2) continue;
    try {
      const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${name}`, 'utf8'))?.[1];
      const closeOnExec = 0o2_000_000;
      if (flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) === 0) found.push(descriptor);
    } catch {
      // The descriptor of the listing itself, closed by now.
    }
  }
  return found;
}
