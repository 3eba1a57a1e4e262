import type { Tx } from '#platform';
import type { Repository } from './repository.ts';

/** Rows of repositories, of the refs last seen, and of webhook deliveries. Every call is part of the caller's tx. */
export interface RepositoryStore {
  /** Throws `pipeline.repository_exists` when the project has one of this name. */
  insert(tx: Tx, repository: Repository): Promise<void>;
  /** Replaces all but id, project and name. */
  replace(tx: Tx, repository: Repository): Promise<void>;
  find(tx: Tx, id: string): Promise<Repository | undefined>;
  findByName(tx: Tx, project: string, name: string): Promise<Repository | undefined>;
  list(tx: Tx, project?: string): Promise<Repository[]>;
  notePoll(tx: Tx, id: string, at: Date, error: string | undefined): Promise<void>;

  refs(tx: Tx, repositoryId: string): Promise<ReadonlyMap<string, string>>;
  /**
   * Notes that a ref names `object` now. False when it was noted already, also by a transaction that runs at the same
   * time: of two that see the same change, one gets true.
   */
  noteRef(tx: Tx, repositoryId: string, ref: string, object: string): Promise<boolean>;
  forgetRef(tx: Tx, repositoryId: string, ref: string): Promise<void>;

  /** False when this delivery was received before. */
  noteDelivery(tx: Tx, repositoryId: string, delivery: string, at: Date): Promise<boolean>;
}
