import type { KeyObject } from 'node:crypto';
import type { Journal } from '#journal';
import type { Audited } from '../audit/audited.ts';
import type { NativeActor } from '../native/caller.ts';
import { nativeDoing } from '../native/doing.ts';
import { type Parity, type ParityAsked, parityOf } from './parity.ts';
import { type Promotion, type PromotionReport, promoteShape } from './promote.ts';
import { changeSettings, type Environment, type EnvironmentSettings, environmentsOf } from './settings.ts';

/** Environments of projects, as their mounts and their settings make them. Whoever calls has authorised the actor. */
export interface Environments {
  /** Projects by name, environments in their order. Tells no secret, and is not audited. */
  list(project?: string): readonly Environment[];
  /** Absent fields stay. Makes the environment known when it was not; `project/name`. */
  change(
    by: NativeActor,
    environment: string,
    change: Partial<EnvironmentSettings>,
  ): Promise<EnvironmentSettings>;
  /** Copies which secrets must exist, never values; see promote.ts. */
  promote(by: NativeActor, promotion: Promotion): Promise<PromotionReport>;
  parity(by: NativeActor, asked: ParityAsked): Promise<readonly Parity[]>;
}

export interface EnvironmentsDeps {
  readonly journal: Pick<Journal, 'peek' | 'openScope'>;
  readonly audited: Audited;
  readonly fingerprintKey: KeyObject;
}

export function createEnvironments(deps: EnvironmentsDeps): Environments {
  return {
    list: (project) => deps.journal.peek((turn) => environmentsOf(turn, project)),
    change: async (by, environment, change) =>
      await deps.audited((turn) => ({
        answer: changeSettings(turn, environment, change),
        exchange: nativeDoing(turn, by, {
          operation: 'update',
          path: `environments/${environment}`,
          data: change,
        }),
      })),
    promote: async (by, promotion) => await promoteShape(deps, by, promotion),
    parity: async (by, asked) => await parityOf(deps, by, asked),
  };
}
