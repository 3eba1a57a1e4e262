import type { Digest } from '../bytes/digest.ts';
import {
  closed,
  digest,
  instant,
  integer,
  list,
  oneOf,
  plainObject,
  type Shape,
  text,
} from '../json/shape.ts';
import { id, name, sentence } from './fields.ts';
import type { Place } from './types.ts';

/** Statements about where a subject may go, shall go and did go. */

const place = { project: name, environment: name, service: name };

/** `approval/v1`: a person's answer to a promotion. */
export interface Approval extends Place {
  readonly promotionId: string;
  readonly decision: 'approved' | 'refused';
  readonly person: { readonly id: string; readonly name: string; readonly groups: readonly string[] };
  readonly reason?: string;
  readonly at: string;
}

export const approvalShape: Shape<Approval> = closed<Approval>(
  {
    ...place,
    promotionId: id,
    decision: oneOf('approved', 'refused'),
    person: closed<Approval['person']>({ id, name: text(300), groups: list(text(100), 100) }, {}),
    at: instant,
  },
  { reason: sentence },
);

/** `desired-state/v1`: what an environment shall run from this revision on. The subject is the image. */
export interface DesiredStatement extends Place {
  /** Grows by one; an agent never goes back to a smaller one. */
  readonly revision: number;
  readonly ociRepository: string;
  readonly promotionId: string;
  readonly reason: 'promotion' | 'rollback';
  /** The verdict it rests on, by the digest of the bundle's text. */
  readonly verdict: Digest;
  /** Target, env, secrets, drift and rollback of the environment, as in the definition. */
  readonly spec: Readonly<Record<string, unknown>>;
  readonly at: string;
}

export const desiredStateShape: Shape<DesiredStatement> = closed<DesiredStatement>(
  {
    ...place,
    revision: integer(1),
    ociRepository: text(255),
    promotionId: id,
    reason: oneOf('promotion', 'rollback'),
    verdict: digest,
    spec: plainObject,
    at: instant,
  },
  {},
);

/** `deployment/v1`: what an agent reported after it acted on a revision. */
export interface Deployment extends Place {
  readonly revision: number;
  readonly agent: { readonly id: string; readonly name: string };
  readonly sync: 'Synced' | 'OutOfSync' | 'Unknown';
  readonly health: 'Healthy' | 'Progressing' | 'Degraded' | 'Missing' | 'Unknown';
  /** Bundle digest of the desired-state statement it acted on. */
  readonly desiredState?: Digest;
  readonly reason?: string;
  readonly at: string;
}

export const deploymentShape: Shape<Deployment> = closed<Deployment>(
  {
    ...place,
    revision: integer(0),
    agent: closed<Deployment['agent']>({ id, name: text(300) }, {}),
    sync: oneOf('Synced', 'OutOfSync', 'Unknown'),
    health: oneOf('Healthy', 'Progressing', 'Degraded', 'Missing', 'Unknown'),
    at: instant,
  },
  { desiredState: digest, reason: sentence },
);
