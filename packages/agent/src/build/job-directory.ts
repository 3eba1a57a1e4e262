import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeTree } from './tree.ts';

/** The places of one attempt at a job. Nothing in them outlives it. */
export interface JobDirectory {
  readonly workspace: string;
  readonly image: string;
  /** A place for a fresh copy of the workspace. */
  copy(step: string): string;
  /** A short private place for a step's sockets, whose paths may have 107 bytes at most. */
  sockets(): Promise<string>;
  remove(): Promise<void>;
}

const longestSocketDirectory = 90;

export async function makeJobDirectory(directory: string, name: string): Promise<JobDirectory> {
  const home = join(directory, 'jobs', name);
  await removeTree(home);
  await mkdir(home, { recursive: true, mode: 0o700 });
  const image = join(home, 'image');
  await mkdir(image);
  const sockets: string[] = [];
  return {
    workspace: join(home, 'workspace'),
    image,
    copy: (step) => join(home, `verify-${step}`),
    async sockets() {
      const near = join(directory, 's-');
      const made = await mkdtemp(
        near.length + 6 <= longestSocketDirectory ? near : join(tmpdir(), 'sallyport-'),
      );
      sockets.push(made);
      return made;
    },
    async remove() {
      for (const each of sockets) await rm(each, { recursive: true, force: true });
      await removeTree(home);
    },
  };
}
