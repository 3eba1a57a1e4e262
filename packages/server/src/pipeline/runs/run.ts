import type {
  Definition,
  EgressRecord,
  JobReport,
  Material,
  StepOutcome,
  StepPhase,
  StepReport,
} from '@sallyport/contract';
import type { Json } from '#platform';
import type { Person } from '../git/objects.ts';
import type { SignatureResult } from '../signatures/verify.ts';
import type { Trigger, Trust } from '../triggers/match.ts';
import type { RunState } from './states.ts';

export interface CommitFacts {
  readonly author: Person;
  readonly committer: Person;
  readonly subject: string;
  readonly parents: readonly string[];
}

export interface Signatures {
  readonly commit: SignatureResult;
  /** Of the annotated tag, when a tag started the run. */
  readonly tag?: SignatureResult;
}

export interface Run {
  readonly id: string;
  readonly project: string;
  readonly service: string;
  readonly repositoryId: string;
  readonly repository: string;
  readonly trigger: Trigger;
  /** Id of the actor; `system` when a change in the repository started it. */
  readonly startedBy: string;
  readonly ref: string;
  readonly commit: string;
  readonly facts: CommitFacts;
  readonly trust: Trust;
  /** With every default written out; absent only for a run that failed because it could not be read. */
  readonly definition?: Definition;
  readonly definitionDigest?: string;
  /** The commit on the protected branch whose sallyport.yaml counts. */
  readonly definitionCommit?: string;
  readonly signatures: Signatures;
  readonly sourceDigest?: string;
  readonly state: RunState;
  readonly attempt: number;
  readonly maxAttempts: number;
  /** Why it failed or was cancelled, for people. */
  readonly reason?: string;
  readonly agentId?: string;
  readonly lease?: Lease;
  readonly report?: JobReport;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Who may speak for a run's build. The token is known to its agent only; here is its hash. */
export interface Lease {
  readonly hash: Uint8Array;
  readonly expiresAt: Date;
}

export interface SeenSecret {
  readonly name: string;
  readonly ref: string;
  readonly version: number;
}

export type StepStatus = StepOutcome | 'pending' | 'granted' | 'skipped' | 'lost';
export const stepStatuses = [
  'pending',
  'granted',
  'succeeded',
  'failed',
  'timed_out',
  'limit_exceeded',
  'refused',
  'skipped',
  'lost',
] as const satisfies readonly StepStatus[];

export interface StepRecord {
  readonly runId: string;
  readonly attempt: number;
  readonly name: string;
  readonly phase: StepPhase;
  readonly ordinal: number;
  readonly status: StepStatus;
  /** It may act on the outside and is not declared idempotent: it is never repeated. */
  readonly hasEffects: boolean;
  readonly grantedAt?: Date;
  readonly finishedAt?: Date;
  readonly report?: StepReport;
  /** Which versions of which secrets it could see; never a value. */
  readonly secrets: readonly SeenSecret[];
  readonly log?: { readonly digest: string; readonly sizeBytes: number; readonly truncated: boolean };
}

/** Everything the build of a run is known by: what the outer journey makes evidence of. */
export interface BuildRecord {
  readonly run: Run;
  readonly definition: Definition;
  readonly definitionDigest: string;
  /** Canonical JSON of the definition: the bytes the digest was taken of. */
  readonly definitionCanonical: string;
  readonly sourceDigest: string;
  /** Steps of the attempt that counts, in order. */
  readonly steps: readonly StepRecord[];
  readonly egress: readonly EgressRecord[];
  readonly materials: readonly Material[];
  /** Absent while the run is not built. */
  readonly image?: { readonly digest: string; readonly sizeBytes: number };
}

export const runResource = ({ id }: Pick<Run, 'id'>): string => `run/${id}`;

export function runState(run: Run): Json {
  return {
    id: run.id,
    project: run.project,
    service: run.service,
    repository: run.repositoryId,
    ref: run.ref,
    commit: run.commit,
    trust: run.trust,
    trigger: run.trigger,
    definition: run.definitionDigest ?? null,
    source: run.sourceDigest ?? null,
    signature: run.signatures.commit.status,
    state: run.state,
    attempt: run.attempt,
    image: run.report?.image?.digest ?? null,
    reason: run.reason ?? null,
  };
}
