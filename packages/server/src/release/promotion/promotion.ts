import { type Digest, digestOf, Fault, utf8 } from '@sallyport/formats';
import type { Actor, Json } from '#platform';
import type { Verdict } from '../policy/decide.ts';

/** One environment of one service: what a promotion is about, and what is locked while one moves. */
export interface Place {
  readonly project: string;
  readonly service: string;
  readonly environment: string;
}

export const promotionStates = [
  'requested',
  'deciding',
  'waiting',
  'held',
  'sealed',
  'deployed',
  'healthy',
  'failed',
  'refused',
  'superseded',
] as const;
export type PromotionState = (typeof promotionStates)[number];

/**
 * Which state may follow which; anything else is refused, by whoever it is asked.
 *
 *   requested → deciding → sealed → deployed → healthy | failed
 *                  ↕ waiting (approvals, soak) · held (automatic, while the environment is on hold)
 *                  → refused (by a gate or a person)        any unfinished one → superseded (by another)
 */
export const transitions: Readonly<Record<PromotionState, readonly PromotionState[]>> = {
  requested: ['deciding', 'refused', 'superseded'],
  deciding: ['waiting', 'held', 'sealed', 'refused', 'superseded'],
  waiting: ['deciding', 'refused', 'superseded'],
  held: ['deciding', 'refused', 'superseded'],
  sealed: ['deployed', 'superseded'],
  deployed: ['healthy', 'failed', 'superseded'],
  healthy: [],
  failed: [],
  refused: [],
  superseded: [],
};

export function isActive(state: PromotionState): boolean {
  return transitions[state].length > 0;
}

export type Purpose = 'promote' | 'rollback' | 'drill';

export interface Promotion extends Place {
  readonly id: string;
  readonly digest: Digest;
  readonly purpose: Purpose;
  /** Opened by the definition, not by a person; only these are suspended by a hold. */
  readonly automatic: boolean;
  readonly state: PromotionState;
  readonly requestedBy: Pick<Actor, 'kind' | 'id' | 'name'>;
  readonly reason: string;
  /** How often it was judged; each judgement has its own verdict and its own evidence. */
  readonly decisions: number;
  readonly verdict: Verdict | undefined;
  /** Digest of the bundle over the verdict, once it is sealed. */
  readonly verdictBundle: Digest | undefined;
  /** The desired-state revision, from `sealed` on. */
  readonly revision: number | undefined;
  /** Why it ended as it did, for the reader. */
  readonly outcome: string;
  readonly requestedAt: Date;
  readonly updatedAt: Date;
  /** Set when everything that follows from the end is done: evidence sealed, next promotions opened. */
  readonly concludedAt: Date | undefined;
}

export function assertLegal(promotion: Promotion, to: PromotionState): void {
  if (transitions[promotion.state].includes(to)) return;
  throw new Fault(
    'conflict',
    'release.promotion_state',
    `promotion ${promotion.id}: expected a state that leads to ${to}, got ${promotion.state}`,
    {
      hint: isActive(promotion.state)
        ? 'wait for the step in progress and look at it again: sally status'
        : 'it has ended; ask for a new promotion: sally promote',
      details: { promotionId: promotion.id, state: promotion.state },
    },
  );
}

/** What the ledger keeps of a promotion; exactly what its row says. */
export function promotionState(promotion: Promotion): Json {
  return {
    project: promotion.project,
    service: promotion.service,
    environment: promotion.environment,
    digest: promotion.digest,
    purpose: promotion.purpose,
    automatic: promotion.automatic,
    state: promotion.state,
    requestedBy: { kind: promotion.requestedBy.kind, id: promotion.requestedBy.id },
    reason: promotion.reason,
    decisions: promotion.decisions,
    outcome: promotion.outcome,
    verdict: promotion.verdict?.outcome ?? null,
    // All of it: it is sealed as it stands in the row.
    verdictDigest: promotion.verdict === undefined ? null : digestOf(utf8(JSON.stringify(promotion.verdict))),
    verdictBundle: promotion.verdictBundle ?? null,
    revision: promotion.revision ?? null,
    concluded: promotion.concludedAt !== undefined,
  };
}

/** A wish to have a digest somewhere. */
export interface PromotionRequest extends Place {
  readonly digest: Digest;
  readonly reason?: string;
}
