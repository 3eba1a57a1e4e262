import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestOf, Fault, parseDigest } from '@sallyport/formats';
import type { Db } from '#platform';
import { keepFile } from '../durable-file.ts';
import type { Mirror } from '../git/mirror.ts';
import type { Mirrors } from '../git/mirrors.ts';
import type { RepositoryStore } from '../repositories/store.ts';
import type { Run } from './run.ts';

/** Source archives, kept by digest. They are a convenience: the same commit gives the same bytes again. */
export interface Sources {
  /** Archives a commit and keeps it; durable when this resolves. */
  keep(mirror: Mirror, commit: string): Promise<Digest>;
  /** The bytes with the run's source digest; made again when they are not on this machine. */
  read(run: Run): Promise<Uint8Array>;
}

const maxSourceBytes = 256 * 1024 * 1024;

export function createSources(deps: {
  readonly directory: string;
  readonly db: Db;
  readonly mirrors: Mirrors;
  readonly repositories: RepositoryStore;
}): Sources {
  const { directory, db, mirrors, repositories } = deps;
  const fileOf = (digest: string): string =>
    join(directory, `${parseDigest(digest).slice('sha256:'.length)}.tar`);

  async function keep(mirror: Mirror, commit: string): Promise<Digest> {
    const bytes = await mirror.archive(commit, maxSourceBytes);
    const digest = digestOf(bytes);
    await keepFile(fileOf(digest), [bytes]);
    return digest;
  }

  /** Another replica prepared the run, or the file was removed. */
  async function restore(run: Run): Promise<void> {
    const repository = await db.read((tx) => repositories.find(tx, run.repositoryId));
    if (repository === undefined) {
      throw new Fault('not_found', 'pipeline.no_repository', 'the repository of this run is gone');
    }
    await mirrors.using(repository, async (mirror) => {
      if (!(await mirror.hasCommit(run.commit))) await mirror.fetch(repository.source);
      await keep(mirror, run.commit);
    });
  }

  return {
    keep,
    async read(run) {
      const digest = run.sourceDigest ?? '';
      const file = fileOf(digest);
      if (!existsSync(file)) await restore(run);
      const bytes = existsSync(file) ? new Uint8Array(await readFile(file)) : undefined;
      if (bytes !== undefined && digestOf(bytes) === digest) return bytes;
      const message = `expected the source archive ${digest}, what is there differs`;
      throw new Fault('integrity', 'pipeline.source_changed', message);
    },
  };
}
