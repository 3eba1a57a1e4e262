import type { DriftFinding, HealthStatus, SyncStatus } from './agent.ts';

/** Answers about releases as the native API gives them: /api/projects/{project}/{status,promotions,trace}. */

export interface PromotionView {
  readonly id: string;
  readonly environment: string;
  readonly digest: string;
  /** promote or rollback */
  readonly purpose: string;
  readonly automatic: boolean;
  readonly state: string;
  /** Why it is in this state, for people. */
  readonly outcome: string;
  readonly requestedBy: string;
  readonly requestedAt: string;
  readonly updatedAt: string;
  readonly revision?: number | undefined;
}

export interface GateView {
  readonly gate: string;
  readonly passed: boolean;
  readonly reason: string;
  /** What would satisfy it, empty when it passed. */
  readonly fix: string;
  readonly waits?: 'approval' | 'time';
  readonly until?: string;
}

export interface WhyView {
  readonly digest: string;
  readonly environment: string;
  readonly outcome: string;
  readonly gates: readonly GateView[];
  readonly rejected: readonly { readonly id: string; readonly reason: string }[];
  readonly hold?: { readonly by: string; readonly reason: string; readonly since: string } | undefined;
  readonly promotion?: PromotionView | undefined;
  readonly next: readonly string[];
}

export interface EnvironmentStatusView {
  readonly service: string;
  readonly environment: string;
  readonly desired?: { readonly digest: string; readonly revision: number } | undefined;
  readonly running?: string | undefined;
  readonly sync: SyncStatus;
  readonly health: HealthStatus;
  readonly since?: string | undefined;
  readonly observedAt?: string | undefined;
  readonly address?: string | undefined;
  readonly refusal?: { readonly code: string; readonly message: string } | undefined;
  readonly hold?: string | undefined;
  readonly promotion?: PromotionView | undefined;
  readonly drift: readonly DriftFinding[];
}

export interface TraceEntryView {
  readonly time: string;
  readonly kind: 'evidence' | 'event';
  readonly type: string;
  readonly resource: string;
  readonly actor?: string | undefined;
  readonly logIndex?: number | undefined;
  readonly detail?: unknown;
}
