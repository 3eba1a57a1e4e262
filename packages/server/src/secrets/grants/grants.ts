import { Fault, SecretBytes } from '@sallyport/formats';
import type { Audit, AuditedTable, Clock, Db, Ids, Json, Tx } from '#platform';
import { systemActor } from '#platform';
import type { NativeSecrets } from '#vault';
import { checkMount, mountOf, parseRef } from '../address.ts';
import { wipeAll } from '../values.ts';
import { checkHolder, readerOf } from './holder.ts';
import { grantStore } from './store.pg.ts';
import type { Grant, GrantItem } from './store.ts';

export interface WantedSecret {
  /** What the holder sees it as: the variable, or the file's name. */
  readonly name: string;
  /** `path/of/secret#key` in the grant's environment. */
  readonly ref: string;
  readonly delivery: 'env' | 'file';
}

export interface WantedByHolder {
  /** `step:<runId>/<attempt>/<step>` or `deployment:<project>/<environment>/<service>/<revision>`. */
  readonly holder: string;
  readonly project: string;
  readonly environment: string;
  readonly wants: readonly WantedSecret[];
}

/** What a holder will get: the versions are fixed. No values. */
export interface PinnedSecrets {
  readonly holder: string;
  readonly project: string;
  readonly environment: string;
  readonly items: readonly GrantItem[];
}

export interface GrantedSecret {
  readonly name: string;
  readonly delivery: 'env' | 'file';
  readonly value: SecretBytes;
  /** `path#key`. */
  readonly path: string;
  readonly version: number;
}

export interface Grants {
  /**
   * Finds the current version of each wanted secret, audited. Refs that name nothing are all listed in one fault
   * (`secrets.missing`). Not in a transaction: the values are in another store.
   */
  pin(wanted: WantedByHolder): Promise<PinnedSecrets>;
  /** Promises what was pinned to its holder, until `expiresAt` or `endGrants`. */
  grant(tx: Tx, pinned: PinnedSecrets, expiresAt: Date): Promise<string>;
  /**
   * The values of a grant that is open and held by `holder`; the same ones again when repeated, because a holder may
   * crash before it has used them. Each redemption is recorded durably before the values are returned (invariant 3).
   */
  redeem(grantId: string, holder: string): Promise<readonly GrantedSecret[]>;
  endGrants(tx: Tx, holder: string): Promise<void>;
}

const namePattern = /^[A-Za-z_][A-Za-z0-9_.-]{0,99}$/;

export function createGrants(deps: {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly vault: Pick<NativeSecrets, 'keys' | 'read'>;
}): Grants {
  const { db, audit, clock, ids, vault } = deps;

  /** One message: whether a grant of another holder exists is not for this one to learn. */
  function requireOpen(grant: Grant | undefined, holder: string): Grant {
    if (
      grant !== undefined &&
      grant.holder === holder &&
      grant.endedAt === undefined &&
      grant.expiresAt > clock.now()
    )
      return grant;
    throw new Fault('denied', 'secrets.grant_closed', 'expected an open grant of this holder, found none');
  }

  return {
    async pin({ holder, project, environment, wants }) {
      checkMount(project, environment);
      checkHolder(holder, project, environment);
      checkWants(wants);
      const refs = wants.map(({ name, ref, delivery }) => ({ name, ref, delivery, ...parseRef(ref) }));
      const paths = [...new Set(refs.map(({ path }) => path))];
      const mount = mountOf({ project, environment });
      const found = new Map(
        await Promise.all(
          paths.map(
            async (path) => [path, await vault.keys(readerOf(holder), { environment: mount, path })] as const,
          ),
        ),
      );
      const missing: string[] = [];
      const items: GrantItem[] = [];
      for (const { name, ref, path, key, delivery } of refs) {
        const current = found.get(path);
        if (current === undefined || !current.keys.includes(key)) missing.push(ref);
        else items.push({ name, path, key, version: current.version, delivery });
      }
      if (missing.length > 0)
        throw new Fault(
          'precondition',
          'secrets.missing',
          `expected these secrets in ${project}/${environment}, found none: ${missing.join(', ')}`,
          {
            hint: `put each with: sally secret put <path>#<key> --project ${project} --env ${environment}`,
            details: { missing },
          },
        );
      return { holder, project, environment, items: items.sort((a, b) => (a.name < b.name ? -1 : 1)) };
    },

    async grant(tx, { holder, project, environment, items }, expiresAt) {
      checkHolder(holder, project, environment);
      const grant: Grant = {
        id: ids.next('grt'),
        holder,
        project,
        environment,
        createdAt: clock.now(),
        expiresAt,
        endedAt: undefined,
        items,
      };
      await grantStore.insert(tx, grant);
      await record(tx, audit, 'secrets.grant.made', grant);
      return grant.id;
    },

    async redeem(grantId, holder) {
      const promised = requireOpen(await db.read((tx) => grantStore.find(tx, grantId)), holder);
      const opened: GrantedSecret[] = [];
      try {
        // Audited as reads, and in memory until what follows is durable too.
        const reads = versionsOf(promised.items).map((items) => open(promised, items, opened));
        // All of them, also when one fails: none may open something after the others were wiped.
        for (const read of await Promise.allSettled(reads)) if (read.status === 'rejected') throw read.reason;
        await db.write(async (tx) => {
          // Again, and now nobody can end it before this is recorded.
          const grant = requireOpen(await grantStore.findForShare(tx, grantId), holder);
          await audit.record(tx, {
            type: 'secrets.grant.redeemed',
            actor: systemActor,
            resource: grantResource(grant.id),
            detail: { holder, items: itemsState(grant.items) },
          });
        });
        return opened.sort((a, b) => (a.name < b.name ? -1 : 1));
      } catch (error) {
        // Above all when the commit failed: what could not be recorded must not stay open either.
        wipe(opened);
        throw error;
      }
    },

    async endGrants(tx, holder) {
      const ended = await grantStore.end(tx, holder, clock.now());
      for (const grant of await grantStore.list(tx, ended))
        await record(tx, audit, 'secrets.grant.ended', grant);
    },
  };

  /** Reads one version once, and gives out only the keys that were granted. */
  async function open(
    grant: Grant,
    { path, version, items }: GrantedVersion,
    opened: GrantedSecret[],
  ): Promise<void> {
    const read = await vault.read(readerOf(grant.holder), { environment: mountOf(grant), path, version });
    const data = read?.data ?? {};
    try {
      for (const { name, key, delivery } of items) {
        const value = data[key];
        if (value === undefined) throw valueGone(path, key, version);
        opened.push({
          name,
          delivery,
          value: SecretBytes.from(value.expose()),
          path: `${path}#${key}`,
          version,
        });
      }
    } finally {
      wipeAll(data);
    }
  }
}

interface GrantedVersion {
  readonly path: string;
  readonly version: number;
  readonly items: readonly GrantItem[];
}

function versionsOf(items: readonly GrantItem[]): readonly GrantedVersion[] {
  const groups = Map.groupBy(items, ({ path, version }) => `${version} ${path}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    return first === undefined ? [] : [{ path: first.path, version: first.version, items: group }];
  });
}

function valueGone(path: string, key: string, version: number): Fault {
  return new Fault(
    'precondition',
    'secrets.value_gone',
    `expected version ${version} of ${path}#${key}, which was granted, found it deleted`,
    { hint: 'run or deploy again: what is current then is granted' },
  );
}

function wipe(secrets: readonly GrantedSecret[]): void {
  for (const secret of secrets) secret.value.wipe();
}

function checkWants(wants: readonly WantedSecret[]): void {
  if (wants.length > 100)
    throw new Fault('invalid', 'secrets.wants_invalid', `expected at most 100 secrets, got ${wants.length}`);
  const names = new Set<string>();
  for (const { name } of wants) {
    if (!namePattern.test(name) || names.has(name))
      throw new Fault(
        'invalid',
        'secrets.wants_invalid',
        `expected each name once and plain, got "${name.slice(0, 80)}"`,
      );
    names.add(name);
  }
}

const grantResource = (id: string): string => `grant/${id}`;

function itemsState(items: readonly GrantItem[]): Json {
  return items.map(({ name, path, key, version, delivery }) => ({ name, path, key, version, delivery }));
}

function grantState(grant: Grant): Json {
  return {
    id: grant.id,
    holder: grant.holder,
    project: grant.project,
    environment: grant.environment,
    expiresAt: grant.expiresAt.toISOString(),
    endedAt: grant.endedAt?.toISOString() ?? null,
    items: itemsState(grant.items),
  };
}

async function record(tx: Tx, audit: Audit, type: string, grant: Grant): Promise<void> {
  await audit.record(tx, {
    type,
    actor: systemActor,
    resource: grantResource(grant.id),
    state: grantState(grant),
  });
}

export function grantTable(): AuditedTable {
  return {
    kind: 'grant',
    states: async (tx) =>
      (await grantStore.list(tx)).map((each) => [grantResource(each.id), grantState(each)] as const),
  };
}
