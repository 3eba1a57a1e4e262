import { closeSync, existsSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Fault } from '@sallyport/formats';

/** A new file that only its owner can read, made before its content exists: no secret is lost for want of a place. */
export interface PrivateFile {
  readonly path: string;
  finish(content: string | Uint8Array): void;
  remove(): void;
}

/** Throws Fault `cli.already_there` rather than replace a file: it may be the only copy of another secret. */
export function writeNewPrivately(file: string): PrivateFile {
  const path = resolve(file);
  let descriptor: number;
  try {
    // `wx` follows no link that somebody left there.
    descriptor = openSync(path, 'wx', 0o600);
  } catch (cause) {
    if (!existsSync(path)) {
      throw new Fault('invalid', 'cli.no_place', `expected to write ${path}, could not`, { cause });
    }
    throw new Fault('conflict', 'cli.already_there', `${path} exists already`, {
      hint: 'move it away, or name another file',
      cause,
    });
  }
  return {
    path,
    finish(content) {
      writeFileSync(descriptor, content);
      closeSync(descriptor);
    },
    remove() {
      closeSync(descriptor);
      rmSync(path, { force: true });
    },
  };
}
