import { type Digest, Fault } from '@sallyport/formats';
import type { Actor, Audit, Authorize, Clock, Db, Ids, Jobs, Json, Tx } from '#platform';
import type { BuildLevel, Revocations, Signing } from '#signing';
import { deploymentStore as deployments } from './deployment/store.pg.ts';
import { compilePolicy, type EnvironmentPolicy, type Policy } from './policy/policy.ts';
import {
  assertLegal,
  type Place,
  type Promotion,
  type PromotionState,
  promotionState,
} from './promotion/promotion.ts';
import { promotionStore as store } from './store.pg.ts';
import type { Service } from './store.ts';

export interface ReleaseDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly jobs: Jobs;
  readonly signing: Signing;
  /** What was withdrawn: every decision asks the newest list. */
  readonly revocations: Pick<Revocations, 'current'>;
  /** What verdicts claim of builds that passed; level 1 unless the operator runs a hosted platform. */
  readonly buildLevel?: BuildLevel;
  /** Asked in long polls of agents, where each environment has a path of its own. */
  readonly authorize: Authorize;
  /** The id of the person with this address, for four eyes; an address in a commit is only a claim. */
  readonly personOf: (email: string) => Promise<string | undefined>;
  /** Events of one resource, newest first, as the ledger has them; for `trace`. */
  readonly eventsOf: (resource: string, limit: number) => Promise<readonly ResourceEvent[]>;
  /** Whether a state is what the ledger last heard of a resource. */
  readonly agrees: (tx: Tx, resource: string, state: Json) => Promise<boolean>;
}

export interface ResourceEvent {
  readonly id: string;
  readonly time: string;
  readonly type: string;
  readonly actor: Pick<Actor, 'kind' | 'id'>;
  readonly resource: string;
  readonly leafIndex: number;
  readonly detail?: unknown;
}

export const promotionQueue = 'release-promotions';
export const approvalQueue = 'release-approvals';

export interface ResolvedPlace {
  readonly service: Service;
  readonly policy: Policy;
  readonly environment: EnvironmentPolicy;
}

/** What every part of the context needs: the policy of a place, and the one way a promotion changes its state. */
export function createContext(deps: ReleaseDeps) {
  const { audit, clock } = deps;
  // By definition digest and repository; compiling takes milliseconds, deciding happens often.
  const compiled = new Map<string, Policy>();

  function policyOf(service: Service): Policy {
    const key = `${service.definitionDigest} ${service.repository}`;
    const known = compiled.get(key);
    if (known !== undefined) return known;
    const policy = compilePolicy(service.definition, service.repository);
    if (compiled.size >= 200) compiled.clear();
    compiled.set(key, policy);
    return policy;
  }

  async function resolve(tx: Tx, place: Place): Promise<ResolvedPlace> {
    const service = await store.findService(tx, place.project, place.service);
    if (service === undefined) {
      throw new Fault(
        'not_found',
        'release.service_unknown',
        `expected a declared service, got ${place.project}/${place.service}`,
        { hint: 'push sallyport.yaml to a protected ref of its repository' },
      );
    }
    const policy = policyOf(service);
    const environment = policy.environments.find((each) => each.environment === place.environment);
    if (environment === undefined) {
      const known = policy.environments.map((each) => each.environment).join(', ');
      throw new Fault(
        'not_found',
        'release.environment_unknown',
        `expected an environment of ${place.project}/${place.service}, got ${place.environment}`,
        { hint: `it has ${known}` },
      );
    }
    return { service, policy, environment };
  }

  /**
   * Before anything is signed for what a row says: it is what this server last wrote there, or nothing is done. Whoever
   * can write to the database but not speak for the server gets no gate opened by it.
   */
  async function assertRecorded(tx: Tx, resource: string, state: Json): Promise<void> {
    if (await deps.agrees(tx, resource, state)) return;
    throw new Fault(
      'integrity',
      'release.row_altered',
      `expected the row of ${resource} to be as it was recorded, got another`,
      { hint: 'it was changed past the server: run "sally ledger verify" and restore it from a backup' },
    );
  }

  /**
   * The only way a promotion changes: legal transition, row and event in the caller's transaction, in which the row is
   * locked. It wakes nobody: inside `advance` the wake that is being handled covers what follows, also after a crash,
   * and one more would make a waiting promotion judge itself for ever. Whoever moves one from outside wakes it.
   */
  async function move(
    tx: Tx,
    promotion: Promotion,
    to: PromotionState,
    change: Partial<Promotion> = {},
    actor: Pick<Actor, 'kind' | 'id'> = { kind: 'system', id: 'system' },
  ): Promise<Promotion> {
    assertLegal(promotion, to);
    const moved: Promotion = { ...promotion, ...change, state: to, updatedAt: clock.now() };
    await write(
      tx,
      moved,
      `release.promotion.${to}`,
      { from: promotion.state, to, outcome: moved.outcome },
      actor,
    );
    return moved;
  }

  /** Row and event of a promotion whose state stays. */
  async function write(
    tx: Tx,
    promotion: Promotion,
    type: string,
    detail: Readonly<Record<string, string>>,
    actor: Pick<Actor, 'kind' | 'id'> = { kind: 'system', id: 'system' },
  ): Promise<void> {
    await store.update(tx, promotion);
    await record(tx, type, promotion, detail, actor);
  }

  async function record(
    tx: Tx,
    type: string,
    promotion: Promotion,
    detail: Readonly<Record<string, string>>,
    actor: Pick<Actor, 'kind' | 'id'>,
  ): Promise<void> {
    await audit.record(tx, {
      type,
      actor: { kind: actor.kind, id: actor.id },
      resource: `promotion/${promotion.id}`,
      state: promotionState(promotion),
      detail: { digest: promotion.digest, environment: promotion.environment, ...detail },
    });
  }

  return { ...deps, store, deployments, resolve, policyOf, assertRecorded, move, write, record };
}

export type Context = ReturnType<typeof createContext>;

export function nameOf(place: Pick<Place, 'project' | 'service'>): string {
  return `${place.project}/${place.service}`;
}

export function resourceOf(kind: string, place: Place, more?: Digest | string): string {
  const { project, service, environment } = place;
  return `${kind}/${project}/${service}/${environment}${more === undefined ? '' : `/${more}`}`;
}
