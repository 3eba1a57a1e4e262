import type { Definition, DeployReport, DriftFinding } from '@sallyport/contract';
import type { Digest } from '@sallyport/formats';
import type { Actor, Tx } from '#platform';
import type { Place, Promotion } from './promotion/promotion.ts';

export interface Service {
  readonly project: string;
  readonly service: string;
  readonly ociRepository: string;
  readonly repository: string;
  readonly definition: Definition;
  readonly definitionDigest: Digest;
  readonly definitionCommit?: string;
  readonly declaredAt: Date;
}

export interface Release {
  readonly id: string;
  readonly project: string;
  readonly service: string;
  readonly digest: Digest;
  readonly commit: string;
  readonly runId: string;
  readonly author: { readonly email: string | undefined; readonly personId: string | undefined };
  readonly offeredAt: Date;
}

export interface Approval extends Place {
  readonly id: string;
  readonly digest: Digest;
  readonly person: string;
  readonly name: string;
  readonly groups: readonly string[];
  readonly comment: string;
  readonly approvedAt: Date;
  readonly sealedAt: Date | undefined;
}

export interface Hold extends Place {
  readonly actor: Pick<Actor, 'kind' | 'id'>;
  readonly reason: string;
  readonly since: Date;
}

/** Asks for the services of all environments, also of those that are declared later. */
export const everyEnvironment = '*';

export interface Desired extends Place {
  readonly revision: number;
  readonly digest: Digest;
  readonly promotionId: string;
  readonly allocatedAt: Date;
  /** Bundles; absent until the revision is published. An agent is never given one without them. */
  readonly published: { readonly statement: string; readonly verdict: string; readonly at: Date } | undefined;
}

export interface Observed extends Place {
  readonly report: DeployReport;
  readonly reporter: string;
  readonly observedAt: Date;
  /** Since when sync, health and digest have been what they are. */
  readonly since: Date;
}

export interface Residence extends Place {
  readonly digest: Digest;
  readonly healthySince: Date | undefined;
  readonly lastHealthyAt: Date | undefined;
  readonly longestSeconds: number;
}

export interface Drift extends Place {
  readonly id: string;
  readonly revision: number;
  readonly finding: DriftFinding;
  readonly at: Date;
}

/** Every verb runs in the caller's transaction and is as durable as it is; `put` inserts or replaces. */
export interface PromotionStore {
  /** Held until the transaction ends. Everything that opens or ends promotions of a place takes it first. */
  lockPlace(tx: Tx, place: Place): Promise<void>;

  putService(tx: Tx, service: Service): Promise<void>;
  findService(tx: Tx, project: string, service: string): Promise<Service | undefined>;
  listServices(tx: Tx, project?: string): Promise<readonly Service[]>;

  /** False when the digest was already offered. */
  insertRelease(tx: Tx, release: Release): Promise<boolean>;
  findRelease(tx: Tx, project: string, service: string, digest: Digest): Promise<Release | undefined>;
  listReleases(tx: Tx, digest?: Digest): Promise<readonly Release[]>;
  /** Newest first. */
  listNewest(tx: Tx, project: string, service: string, limit: number): Promise<readonly Release[]>;

  insert(tx: Tx, promotion: Promotion): Promise<void>;
  update(tx: Tx, promotion: Promotion): Promise<void>;
  find(tx: Tx, id: string): Promise<Promotion | undefined>;
  /** Locks the row until the transaction ends; throws not_found. */
  getForUpdate(tx: Tx, id: string): Promise<Promotion>;
  findActive(tx: Tx, place: Place): Promise<Promotion | undefined>;
  findByRevision(tx: Tx, place: Place, revision: number): Promise<Promotion | undefined>;
  /** Newest first. */
  listAt(tx: Tx, place: Place, limit: number): Promise<readonly Promotion[]>;
  listByDigest(tx: Tx, digest: Digest): Promise<readonly Promotion[]>;
  listPromotions(tx: Tx, project?: string, limit?: number): Promise<readonly Promotion[]>;
  /** Ids of those that an `advance` could move: active ones that do not wait for others, and ends not concluded. */
  listUnfinished(tx: Tx): Promise<readonly string[]>;

  /** False when this person approved this digest for this place before. */
  insertApproval(tx: Tx, approval: Approval): Promise<boolean>;
  getApproval(tx: Tx, id: string): Promise<Approval>;
  setApprovalSealed(tx: Tx, id: string, at: Date): Promise<void>;
  listApprovals(tx: Tx, digest?: Digest): Promise<readonly Approval[]>;

  putHold(tx: Tx, hold: Hold): Promise<void>;
  deleteHold(tx: Tx, place: Place): Promise<boolean>;
  findHold(tx: Tx, place: Place): Promise<Hold | undefined>;
  listHolds(tx: Tx): Promise<readonly Hold[]>;
}

export interface DeploymentStore {
  /** The next revision of a place; call it with the place locked. */
  nextRevision(tx: Tx, place: Place): Promise<number>;
  insertDesired(tx: Tx, desired: Desired): Promise<void>;
  publish(
    tx: Tx,
    place: Place,
    revision: number,
    statement: string,
    verdict: string,
    at: Date,
  ): Promise<void>;
  findDesired(tx: Tx, place: Place, revision: number): Promise<Desired | undefined>;
  /** The highest published revision. */
  findCurrent(tx: Tx, place: Place): Promise<Desired | undefined>;
  /** The highest published revision of each service of the given `project/environment` names. */
  listCurrent(tx: Tx, environments: readonly string[]): Promise<readonly Desired[]>;
  listDesired(tx: Tx): Promise<readonly Desired[]>;

  putObserved(tx: Tx, observed: Observed): Promise<void>;
  findObserved(tx: Tx, place: Place): Promise<Observed | undefined>;
  putResidence(tx: Tx, residence: Residence): Promise<void>;
  findResidence(tx: Tx, place: Place, digest: Digest): Promise<Residence | undefined>;
  /** Those that are healthy now, by the last report. */
  listHealthy(tx: Tx, place: Place): Promise<readonly Residence[]>;

  insertDrift(tx: Tx, drift: Drift): Promise<void>;
  /** Newest first. */
  listDrift(tx: Tx, place: Place, limit: number): Promise<readonly Drift[]>;
  /** Keeps the newest `keep` of a place. */
  trimDrift(tx: Tx, place: Place, keep: number): Promise<void>;
}
