import { Fault } from '@sallyport/formats';
import { sql } from 'kysely';
import { tablesOf } from '#platform';
import { type WebhookProvider, webhookProviders } from '../triggers/webhook.ts';
import type { Repository } from './repository.ts';
import type { RepositoryStore } from './store.ts';

interface RepositoryRow {
  id: string;
  project: string;
  name: string;
  source: string;
  default_ref: string;
  protected_refs: unknown;
  definition_path: string;
  allowed_signers: string;
  openpgp_keys: string;
  revoked: string;
  poll_seconds: number;
  webhook: string | null;
  polled_at: Date | null;
  poll_error: string | null;
  created_at: Date;
}

interface Tables {
  pipeline_repositories: RepositoryRow;
  pipeline_refs: { repository_id: string; ref: string; object: string };
  pipeline_deliveries: { repository_id: string; delivery: string; received_at: Date };
}

export const repositoryStore: RepositoryStore = {
  async insert(tx, repository) {
    const done = await tablesOf<Tables>(tx)
      .insertInto('pipeline_repositories')
      .values({
        id: repository.id,
        project: repository.project,
        name: repository.name,
        ...changeable(repository),
      })
      .onConflict((conflict) => conflict.columns(['project', 'name']).doNothing())
      .executeTakeFirst();
    if (Number(done.numInsertedOrUpdatedRows) === 1) return;
    const message = `expected a new name, got "${repository.name}", which "${repository.project}" has already`;
    throw new Fault('conflict', 'pipeline.repository_exists', message);
  },

  async replace(tx, repository) {
    await tablesOf<Tables>(tx)
      .updateTable('pipeline_repositories')
      .set(changeable(repository))
      .where('id', '=', repository.id)
      .execute();
  },

  async find(tx, id) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('pipeline_repositories')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row && toRepository(row);
  },

  async findByName(tx, project, name) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('pipeline_repositories')
      .selectAll()
      .where('project', '=', project)
      .where('name', '=', name)
      .executeTakeFirst();
    return row && toRepository(row);
  },

  async list(tx, project) {
    let query = tablesOf<Tables>(tx)
      .selectFrom('pipeline_repositories')
      .selectAll()
      .orderBy('project')
      .orderBy('name');
    if (project !== undefined) query = query.where('project', '=', project);
    return (await query.execute()).map(toRepository);
  },

  async notePoll(tx, id, at, error) {
    await tablesOf<Tables>(tx)
      .updateTable('pipeline_repositories')
      .set({ polled_at: at, poll_error: error ?? null })
      .where('id', '=', id)
      .execute();
  },

  async refs(tx, repositoryId) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('pipeline_refs')
      .select(['ref', 'object'])
      .where('repository_id', '=', repositoryId)
      .execute();
    return new Map(rows.map(({ ref, object }) => [ref, object]));
  },

  async noteRef(tx, repositoryId, ref, object) {
    // The row lock of the conflict makes a second transaction wait and then see that nothing is left to do.
    const done = await tablesOf<Tables>(tx)
      .insertInto('pipeline_refs')
      .values({ repository_id: repositoryId, ref, object })
      .onConflict((conflict) =>
        conflict
          .columns(['repository_id', 'ref'])
          .doUpdateSet({ object })
          .where('pipeline_refs.object', '<>', object),
      )
      .executeTakeFirst();
    return Number(done.numInsertedOrUpdatedRows) === 1;
  },

  async forgetRef(tx, repositoryId, ref) {
    await tablesOf<Tables>(tx)
      .deleteFrom('pipeline_refs')
      .where('repository_id', '=', repositoryId)
      .where('ref', '=', ref)
      .execute();
  },

  async noteDelivery(tx, repositoryId, delivery, at) {
    const done = await tablesOf<Tables>(tx)
      .insertInto('pipeline_deliveries')
      .values({ repository_id: repositoryId, delivery, received_at: at })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    return Number(done.numInsertedOrUpdatedRows) === 1;
  },
};

function changeable(repository: Repository): Omit<RepositoryRow, 'id' | 'project' | 'name'> {
  return {
    source: repository.source,
    default_ref: repository.defaultRef,
    protected_refs: sql`${JSON.stringify(repository.protectedRefs)}::jsonb`,
    definition_path: repository.definitionPath,
    allowed_signers: repository.allowedSigners,
    openpgp_keys: repository.openPgpKeys,
    revoked: repository.revoked,
    poll_seconds: repository.pollSeconds,
    webhook: repository.webhook ?? null,
    polled_at: repository.polledAt ?? null,
    poll_error: repository.pollError ?? null,
    created_at: repository.createdAt,
  };
}

function toRepository(row: RepositoryRow): Repository {
  return {
    id: row.id,
    project: row.project,
    name: row.name,
    source: row.source,
    defaultRef: row.default_ref,
    protectedRefs: toTexts(row.protected_refs),
    definitionPath: row.definition_path,
    allowedSigners: row.allowed_signers,
    openPgpKeys: row.openpgp_keys,
    revoked: row.revoked,
    pollSeconds: row.poll_seconds,
    createdAt: row.created_at,
    ...(row.webhook === null ? {} : { webhook: toProvider(row.webhook) }),
    ...(row.polled_at === null ? {} : { polledAt: row.polled_at }),
    ...(row.poll_error === null ? {} : { pollError: row.poll_error }),
  };
}

function toTexts(value: unknown): string[] {
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value;
  throw new Fault(
    'integrity',
    'pipeline.bad_row',
    'expected a list of refs in the database, got something else',
  );
}

function toProvider(text: string): WebhookProvider {
  const provider = webhookProviders.find((known) => known === text);
  if (provider !== undefined) return provider;
  throw new Fault(
    'integrity',
    'pipeline.bad_row',
    `expected a webhook provider in the database, got "${text}"`,
  );
}
