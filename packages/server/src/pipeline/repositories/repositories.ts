import { Fault, type SecretBytes } from '@sallyport/formats';
import type { Actor } from '#platform';
import type { Mirrors } from '../git/mirrors.ts';
import { checkSource, checkTreePath, toRefName } from '../git/names.ts';
import { type PipelineDeps, pollQueue, webhookMount } from '../ports.ts';
import { parseAllowedSigners } from '../signatures/allowed-signers.ts';
import { checkOpenPgpKeys } from '../signatures/openpgp.ts';
import { verifyWebhook, type WebhookProvider } from '../triggers/webhook.ts';
import { type Repository, repositoryResource, repositoryState } from './repository.ts';
import type { RepositoryStore } from './store.ts';

/** What an administrator says about a repository; everything but name and source has a default. */
export interface RepositorySettings {
  readonly source: string;
  /** `main` or `refs/heads/main`. */
  readonly protectedBranch?: string;
  /** More refs whose pushes are trusted: `refs/tags/v*`. The protected branch always is. */
  readonly protectedRefs?: readonly string[];
  readonly definitionPath?: string;
  readonly allowedSigners?: string;
  readonly openPgpKeys?: string;
  readonly revoked?: string;
  readonly pollSeconds?: number;
  readonly webhook?: WebhookProvider;
  /** Shared with the forge; kept encrypted among the secrets, never in our tables. */
  readonly webhookSecret?: SecretBytes;
}

export interface RepositoryVerbs {
  /** Adds a repository after it could be fetched. Its refs as they are now start nothing. */
  add(actor: Actor, project: string, name: string, settings: RepositorySettings): Promise<Repository>;
  /** Replaces the settings that are given. */
  change(
    actor: Actor,
    project: string,
    name: string,
    settings: Partial<RepositorySettings>,
  ): Promise<Repository>;
  get(project: string, name: string): Promise<Repository>;
  list(project: string): Promise<Repository[]>;
  /** Takes a webhook: an authentic one that was not seen before wakes a poll. False for one that was. */
  receive(
    provider: string,
    repositoryId: string,
    headers: Readonly<Record<string, unknown>>,
    body: Uint8Array,
  ): Promise<boolean>;
}

export function createRepositoryVerbs(
  deps: PipelineDeps & { readonly repositories: RepositoryStore; readonly mirrors: Mirrors },
): RepositoryVerbs {
  const { db, clock, ids, audit, secrets, repositories, mirrors } = deps;

  async function get(project: string, name: string): Promise<Repository> {
    const found = await db.read((tx) => repositories.findByName(tx, project, name));
    if (found !== undefined) return found;
    throw new Fault(
      'not_found',
      'pipeline.no_repository',
      `expected a repository of "${project}", got "${name.slice(0, 80)}"`,
    );
  }

  async function keepSecret(
    actor: Actor,
    repository: Repository,
    secret: SecretBytes | undefined,
  ): Promise<void> {
    if (secret === undefined) return;
    if (secret.expose().length < 16) {
      const message = 'expected a webhook secret of at least 16 bytes, got a shorter one';
      throw new Fault('invalid', 'pipeline.weak_webhook_secret', message);
    }
    await secrets.put(actor, {
      project: repository.project,
      environment: webhookMount,
      path: repository.name,
      data: { secret },
    });
    held.delete(repository.id);
  }

  /**
   * Kept for a minute: each read is recorded in the ledger, and whoever knows an address could otherwise make the
   * ledger grow without knowing the secret.
   */
  const held = new Map<string, { readonly secret: SecretBytes; readonly until: number }>();
  async function secretOf(repository: Repository, now: Date): Promise<SecretBytes> {
    const known = held.get(repository.id);
    if (known !== undefined && known.until > now.getTime()) return known.secret;
    const { project, name: path } = repository;
    const { data } = await secrets.get(webhookActor(repository), {
      project,
      environment: webhookMount,
      path,
    });
    const secret = data['secret'];
    if (secret === undefined) throw refused();
    held.set(repository.id, { secret, until: now.getTime() + 60_000 });
    return secret;
  }

  return {
    get,
    list: (project) => db.read((tx) => repositories.list(tx, project)),

    async add(actor, project, name, settings) {
      if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) {
        throw new Fault(
          'invalid',
          'pipeline.bad_name',
          `expected lower case letters, digits and dashes, got "${name.slice(0, 80)}"`,
        );
      }
      const repository = await applied(settings, {
        id: ids.next('repo'),
        project,
        name,
        source: settings.source,
        defaultRef: 'refs/heads/main',
        protectedRefs: [],
        definitionPath: 'sallyport.yaml',
        allowedSigners: '',
        openPgpKeys: '',
        revoked: '',
        pollSeconds: 15,
        createdAt: clock.now(),
      });
      const refs = await mirrors.using(repository, async (mirror) => {
        await mirror.fetch(repository.source);
        return mirror.refs();
      });
      await keepSecret(actor, repository, settings.webhookSecret);
      await db.write(async (tx) => {
        await repositories.insert(tx, repository);
        for (const { ref, object } of refs) await repositories.noteRef(tx, repository.id, ref, object);
        await audit.record(tx, {
          type: 'pipeline.repository.added',
          actor,
          resource: repositoryResource(repository),
          state: repositoryState(repository),
        });
      });
      return repository;
    },

    async change(actor, project, name, settings) {
      const changed = await applied(settings, await get(project, name));
      await keepSecret(actor, changed, settings.webhookSecret);
      await db.write(async (tx) => {
        await repositories.replace(tx, changed);
        await audit.record(tx, {
          type: 'pipeline.repository.changed',
          actor,
          resource: repositoryResource(changed),
          state: repositoryState(changed),
        });
      });
      return changed;
    },

    async receive(provider, repositoryId, headers, body) {
      const repository = await db.read((tx) => repositories.find(tx, repositoryId));
      // One answer for what is not there, not set up and not authentic: the sender is a stranger.
      if (repository?.webhook === undefined || repository.webhook !== provider) throw refused();
      const now = clock.now();
      const secret = await secretOf(repository, now);
      const delivery = verifyWebhook({ provider: repository.webhook, headers, body, secret, now });
      return db.write(async (tx) => {
        if (!(await repositories.noteDelivery(tx, repository.id, delivery.id, now))) return false;
        await deps.jobs.wake(tx, pollQueue, repository.id);
        return true;
      });
    },
  };
}

/** The settings laid over a repository, each checked: nothing is stored that cannot be used. */
async function applied(settings: Partial<RepositorySettings>, before: Repository): Promise<Repository> {
  const { source, protectedBranch, definitionPath, pollSeconds, webhook } = settings;
  const defaultRef = protectedBranch === undefined ? before.defaultRef : toRefName(protectedBranch);
  if (!defaultRef.startsWith('refs/heads/')) {
    throw new Fault('invalid', 'pipeline.bad_ref', `expected a branch to protect, got "${defaultRef}"`);
  }
  const extra = settings.protectedRefs ?? before.protectedRefs.filter((ref) => ref !== before.defaultRef);
  const bad = extra.find(
    (ref) => !/^refs\/(heads|tags)\/[A-Za-z0-9._/*-]{1,200}$/.test(ref) || ref.includes('..'),
  );
  if (bad !== undefined) {
    const message = `expected patterns such as "refs/tags/v*", got ${JSON.stringify(bad.slice(0, 80))}`;
    throw new Fault('invalid', 'pipeline.bad_ref', message);
  }
  if (
    pollSeconds !== undefined &&
    (!Number.isSafeInteger(pollSeconds) || pollSeconds < 0 || pollSeconds > 86_400)
  ) {
    throw new Fault(
      'invalid',
      'pipeline.bad_poll',
      `expected 0 to 86400 seconds between polls, got ${pollSeconds}`,
    );
  }
  const allowedSigners = settings.allowedSigners ?? before.allowedSigners;
  const openPgpKeys = settings.openPgpKeys ?? before.openPgpKeys;
  parseAllowedSigners(allowedSigners);
  await checkOpenPgpKeys(openPgpKeys);
  return {
    ...before,
    source: checkSource(source ?? before.source),
    defaultRef,
    protectedRefs: [defaultRef, ...extra.filter((ref) => ref !== defaultRef)],
    definitionPath: checkTreePath(definitionPath ?? before.definitionPath),
    allowedSigners,
    openPgpKeys,
    revoked: settings.revoked ?? before.revoked,
    pollSeconds: pollSeconds ?? before.pollSeconds,
    ...(webhook === undefined ? {} : { webhook }),
  };
}

/** The audit of the read says which webhook it was for. */
const webhookActor = ({ id, name }: Repository): Actor => ({
  kind: 'system',
  id: `webhook:${id}`,
  name: `webhook of ${name}`,
  policies: [],
  groups: [],
});

const refused = (): Fault =>
  new Fault('unauthenticated', 'pipeline.webhook_refused', 'the webhook was refused', {
    hint: 'check that both sides have the same secret',
  });
