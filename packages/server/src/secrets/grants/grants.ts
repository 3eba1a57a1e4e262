import { Fault, type SecretBytes } from '@sallyport/formats';
import type { Audit, AuditedTable, Clock, Db, Ids, Json, Tx } from '#platform';
import { systemActor } from '#platform';
import { checkMount, parseRef } from '../address.ts';
import { secretStore } from '../store.pg.ts';
import { openAll, type ValueKeyring } from '../values.ts';
import { checkHolder } from './holder.ts';
import { grantStore } from './store.pg.ts';
import type { Grant, GrantItem } from './store.ts';

export interface WantedSecret {
  /** What the holder sees it as: the variable, or the file's name. */
  readonly name: string;
  /** `path/of/secret#key` in the grant's environment. */
  readonly ref: string;
  readonly delivery: 'env' | 'file';
}

export interface NewGrant {
  /** `step:<runId>/<attempt>/<step>` or `deployment:<project>/<environment>/<service>/<revision>`. */
  readonly holder: string;
  readonly project: string;
  readonly environment: string;
  readonly wants: readonly WantedSecret[];
  readonly expiresAt: Date;
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
   * Promises the current version of each wanted secret to the holder, until `expiresAt` or `endGrants`. Refs that name
   * nothing are all listed in one fault (`secrets.missing`).
   */
  grant(tx: Tx, wanted: NewGrant): Promise<string>;
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
  readonly keyring: ValueKeyring;
}): Grants {
  const { db, audit, clock, ids, keyring } = deps;

  return {
    async grant(tx, wanted) {
      const { holder, project, environment, expiresAt } = wanted;
      checkMount(project, environment);
      checkHolder(holder, project, environment);
      checkWants(wanted.wants);
      const items: GrantItem[] = [];
      const missing: string[] = [];
      for (const { name, ref, delivery } of wanted.wants) {
        const { path, key } = parseRef(ref);
        const version = await secretStore.currentVersion(tx, { project, environment, path });
        const values =
          version === undefined ? [] : await secretStore.values(tx, { project, environment, path }, version);
        if (version === undefined || !values.some((value) => value.key === key)) missing.push(ref);
        else items.push({ name, path, key, version, delivery });
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
      const grant: Grant = {
        id: ids.next('grt'),
        holder,
        project,
        environment,
        createdAt: clock.now(),
        expiresAt,
        endedAt: undefined,
        items: items.sort((a, b) => (a.name < b.name ? -1 : 1)),
      };
      await grantStore.insert(tx, grant);
      await record(tx, audit, 'secrets.grant.made', grant);
      return grant.id;
    },

    async redeem(grantId, holder) {
      let opened: GrantedSecret[] = [];
      try {
        return await db.write(async (tx) => {
          wipe(opened);
          opened = [];
          const grant = await grantStore.findForShare(tx, grantId);
          // One message: whether a grant of another holder exists is not for this one to learn.
          if (
            grant === undefined ||
            grant.holder !== holder ||
            grant.endedAt !== undefined ||
            grant.expiresAt <= clock.now()
          )
            throw new Fault(
              'denied',
              'secrets.grant_closed',
              'expected an open grant of this holder, found none',
            );
          await audit.record(tx, {
            type: 'secrets.grant.redeemed',
            actor: systemActor,
            resource: grantResource(grant.id),
            detail: { holder, items: itemsState(grant.items) },
          });
          for (const item of grant.items) opened.push(await open(tx, grant, item));
          return opened;
        });
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

  async function open(tx: Tx, grant: Grant, item: GrantItem): Promise<GrantedSecret> {
    const address = { project: grant.project, environment: grant.environment, path: item.path };
    const values = (await secretStore.values(tx, address, item.version)).filter(
      (each) => each.key === item.key,
    );
    const value = (await openAll(tx, keyring, address, item.version, values))[item.key];
    if (value === undefined)
      throw new Fault(
        'integrity',
        'secrets.value_lost',
        `the granted value of ${item.path}#${item.key} is gone`,
      );
    return {
      name: item.name,
      delivery: item.delivery,
      value,
      path: `${item.path}#${item.key}`,
      version: item.version,
    };
  }
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
