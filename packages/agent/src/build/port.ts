import type { StepGrant, StepReport } from '@sallyport/contract';
import type { Digest } from '@sallyport/formats';

/** What a running job needs of the control plane. The session speaks it over HTTP with the job's lease. */
export interface JobPort {
  /** The tar of the commit's tree. */
  source(): Promise<AsyncIterable<Uint8Array>>;
  /** Given once per attempt and step; a Fault means the step may not run. */
  grant(step: string): Promise<StepGrant>;
  /** Masked output, in order. Resolves when more may come. */
  log(step: string, bytes: Uint8Array): Promise<void>;
  stepFinished(step: string, report: StepReport): Promise<void>;
  readonly registry: ImageRegistry;
  /** Ends the job: the lease was lost, the run was cancelled, the agent stops. */
  readonly signal: AbortSignal;
}

/** The part of the OCI distribution protocol that a build uses. */
export interface ImageRegistry {
  hasBlob(repository: string, digest: Digest): Promise<boolean>;
  pushBlob(repository: string, blob: Blob): Promise<void>;
  pushManifest(
    repository: string,
    manifest: { readonly digest: Digest; readonly mediaType: string; readonly bytes: Uint8Array },
  ): Promise<void>;
  manifest(repository: string, digest: Digest): Promise<Uint8Array>;
  blob(repository: string, digest: Digest): Promise<AsyncIterable<Uint8Array>>;
}

export interface Blob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  open(): AsyncIterable<Uint8Array>;
}
