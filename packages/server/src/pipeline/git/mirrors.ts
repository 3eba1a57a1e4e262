import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createMirror, type Mirror } from './mirror.ts';
import { createGitProgram } from './program.ts';

/** The mirrors of all repositories below one directory; one user of each at a time, because git locks its refs. */
export interface Mirrors {
  using<T>(repository: { readonly id: string }, work: (mirror: Mirror) => Promise<T>): Promise<T>;
}

export function createMirrors(directory: string): Mirrors {
  const home = join(directory, 'home');
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const git = createGitProgram({ home });
  const turns = new Map<string, Promise<unknown>>();
  return {
    using({ id }, work) {
      // Ids are ours; they become a file name all the same.
      if (!/^repo_[0-9a-f-]{36}$/.test(id)) throw new Error(`not the id of a repository: ${id}`);
      const run = () => work(createMirror(git, join(directory, `${id}.git`)));
      const mine = (turns.get(id) ?? Promise.resolve()).then(run, run);
      turns.set(
        id,
        mine.catch(() => undefined),
      );
      return mine;
    },
  };
}
