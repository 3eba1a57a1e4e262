import { type Digest, parseDigest } from '@sallyport/formats';
import { sql } from 'kysely';
import { tablesOf } from '#platform';
import { at } from '../rows.ts';
import type { DeploymentStore, Desired, Drift, Observed, Residence } from '../store.ts';
import { everyEnvironment } from '../store.ts';

interface PlaceRow {
  project: string;
  service: string;
  environment: string;
}
interface DesiredRow extends PlaceRow {
  revision: number;
  digest: string;
  promotion_id: string;
  allocated_at: Date;
  statement: string | null;
  verdict: string | null;
  published_at: Date | null;
}
interface ObservedRow extends PlaceRow {
  report: unknown;
  reporter: string;
  observed_at: Date;
  since: Date;
}
interface ResidenceRow extends PlaceRow {
  digest: string;
  healthy_since: Date | null;
  last_healthy_at: Date | null;
  longest_seconds: number;
}
interface DriftRow extends PlaceRow {
  id: string;
  revision: number;
  finding: unknown;
  at: Date;
}
interface Tables {
  release_desired: DesiredRow;
  release_observed: ObservedRow;
  release_residences: ResidenceRow;
  release_drift: DriftRow;
}

export const deploymentStore: DeploymentStore = {
  async nextRevision(tx, place) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('release_desired')
      .select((eb) => eb.fn.max('revision').as('highest'))
      .where((eb) => eb.and(at(place)))
      .executeTakeFirst();
    return Number(row?.highest ?? 0) + 1;
  },
  async insertDesired(tx, desired) {
    await tablesOf<Tables>(tx)
      .insertInto('release_desired')
      .values({
        ...at(desired),
        revision: desired.revision,
        digest: desired.digest,
        promotion_id: desired.promotionId,
        allocated_at: desired.allocatedAt,
        statement: null,
        verdict: null,
        published_at: null,
      })
      .execute();
  },
  async publish(tx, place, revision, statement, verdict, publishedAt) {
    await tablesOf<Tables>(tx)
      .updateTable('release_desired')
      .set({ statement, verdict, published_at: publishedAt })
      .where((eb) => eb.and({ ...at(place), revision }))
      .execute();
  },
  async findDesired(tx, place, revision) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('release_desired')
      .selectAll()
      .where((eb) => eb.and({ ...at(place), revision }))
      .executeTakeFirst();
    return row && toDesired(row);
  },
  async findCurrent(tx, place) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('release_desired')
      .selectAll()
      .where((eb) => eb.and(at(place)))
      .where('published_at', 'is not', null)
      .orderBy('revision', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row && toDesired(row);
  },
  async listCurrent(tx, environments) {
    if (environments.length === 0) return [];
    const all = tablesOf<Tables>(tx)
      .selectFrom('release_desired')
      .selectAll()
      .distinctOn(['project', 'service', 'environment'])
      .where('published_at', 'is not', null);
    const named = environments.includes(everyEnvironment)
      ? all
      : all.where(sql<string>`project || '/' || environment`, 'in', [...environments]);
    const rows = await named
      .orderBy('project')
      .orderBy('service')
      .orderBy('environment')
      .orderBy('revision', 'desc')
      .execute();
    return rows.map(toDesired);
  },
  async listDesired(tx) {
    const rows = await tablesOf<Tables>(tx).selectFrom('release_desired').selectAll().execute();
    return rows.map(toDesired);
  },

  async putObserved(tx, observed) {
    const row: ObservedRow = {
      ...at(observed),
      report: JSON.stringify(observed.report),
      reporter: observed.reporter,
      observed_at: observed.observedAt,
      since: observed.since,
    };
    await tablesOf<Tables>(tx)
      .insertInto('release_observed')
      .values(row)
      .onConflict((conflict) => conflict.columns(['project', 'service', 'environment']).doUpdateSet(row))
      .execute();
  },
  async findObserved(tx, place) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('release_observed')
      .selectAll()
      .where((eb) => eb.and(at(place)))
      .executeTakeFirst();
    return row && toObserved(row);
  },
  async putResidence(tx, residence) {
    const row: ResidenceRow = {
      ...at(residence),
      digest: residence.digest,
      healthy_since: residence.healthySince ?? null,
      last_healthy_at: residence.lastHealthyAt ?? null,
      longest_seconds: residence.longestSeconds,
    };
    await tablesOf<Tables>(tx)
      .insertInto('release_residences')
      .values(row)
      .onConflict((conflict) =>
        conflict.columns(['project', 'service', 'environment', 'digest']).doUpdateSet(row),
      )
      .execute();
  },
  async findResidence(tx, place, digest: Digest) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('release_residences')
      .selectAll()
      .where((eb) => eb.and({ ...at(place), digest }))
      .executeTakeFirst();
    return row && toResidence(row);
  },
  async listHealthy(tx, place) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('release_residences')
      .selectAll()
      .where((eb) => eb.and(at(place)))
      .where('healthy_since', 'is not', null)
      .execute();
    return rows.map(toResidence);
  },

  async insertDrift(tx, drift) {
    await tablesOf<Tables>(tx)
      .insertInto('release_drift')
      .values({
        id: drift.id,
        ...at(drift),
        revision: drift.revision,
        finding: JSON.stringify(drift.finding),
        at: drift.at,
      })
      .execute();
  },
  async listDrift(tx, place, limit) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('release_drift')
      .selectAll()
      .where((eb) => eb.and(at(place)))
      .orderBy('at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit)
      .execute();
    return rows.map(toDrift);
  },
  async trimDrift(tx, place, keep) {
    const tables = tablesOf<Tables>(tx);
    await tables
      .deleteFrom('release_drift')
      .where((eb) => eb.and(at(place)))
      .where('id', 'not in', (eb) =>
        eb
          .selectFrom('release_drift')
          .select('id')
          .where((inner) => inner.and(at(place)))
          .orderBy('at', 'desc')
          .orderBy('id', 'desc')
          .limit(keep),
      )
      .execute();
  },
};

function toDesired(row: DesiredRow): Desired {
  const { statement, verdict, published_at } = row;
  const published =
    statement === null || verdict === null || published_at === null
      ? undefined
      : { statement, verdict, at: published_at };
  return {
    ...at(row),
    revision: row.revision,
    digest: parseDigest(row.digest),
    promotionId: row.promotion_id,
    allocatedAt: row.allocated_at,
    published,
  };
}

function toObserved(row: ObservedRow): Observed {
  return {
    ...at(row),
    // Checked against its schema at the route that took it in.
    report: row.report as Observed['report'],
    reporter: row.reporter,
    observedAt: row.observed_at,
    since: row.since,
  };
}

function toResidence(row: ResidenceRow): Residence {
  return {
    ...at(row),
    digest: parseDigest(row.digest),
    healthySince: row.healthy_since ?? undefined,
    lastHealthyAt: row.last_healthy_at ?? undefined,
    longestSeconds: row.longest_seconds,
  };
}

function toDrift(row: DriftRow): Drift {
  return {
    ...at(row),
    id: row.id,
    revision: row.revision,
    finding: row.finding as Drift['finding'],
    at: row.at,
  };
}
