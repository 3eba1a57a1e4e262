import type { Digest } from '@sallyport/formats';
import type { Json, Tx } from '#platform';

export interface SealRequest {
  /** Idempotency: the same key always gives the same evidence; another content under it is refused. */
  readonly key: string;
  readonly subject: { readonly name: string; readonly digest: Digest };
  readonly predicateType: string;
  /** Plain JSON; its shape is checked by the builders in `statements/` and by every verifier. */
  readonly predicate: object;
  /** Where the bundle is attached as a referrer of the subject; without it, it is only kept here. */
  readonly ociRepository?: string;
}

/** A statement that is signed, in the log, and provable offline. */
export interface Evidence {
  readonly id: string;
  readonly key: string;
  readonly subject: Digest;
  readonly predicateType: string;
  /** As the row says it. Whoever decides something verifies `bundle` and uses what that gives. */
  readonly predicate: Readonly<Record<string, unknown>>;
  /** Sigstore bundle v0.3, the exact text that `bundleDigest` is taken of. */
  readonly bundle: string;
  readonly bundleDigest: Digest;
  readonly sealedAt: Date;
  readonly logIndex: number;
}

/** The evidence key as the keyring gives it. */
export interface EvidenceSigner {
  readonly keyId: string;
  readonly publicKeySpki: Uint8Array;
  sign(bytes: Uint8Array): Uint8Array;
}

/** What signing needs of the ledger. */
export interface EvidenceLog {
  /** Whether a state is what the ledger last heard of a resource. */
  agrees(tx: Tx, resource: string, state: Json): Promise<boolean>;
  appendEvidence(tx: Tx, body: Uint8Array): Promise<string>;
  proofFor(entryId: string): Promise<{
    readonly leafIndex: number;
    readonly treeSize: number;
    readonly rootHash: Uint8Array;
    readonly hashes: readonly Uint8Array[];
    readonly checkpoint: string;
  }>;
}

/** Attaches a bundle to a subject in a registry. Must be idempotent: it is repeated after a crash. */
export type AttachReferrer = (
  ociRepository: string,
  subject: Digest,
  predicateType: string,
  bundleText: string,
) => Promise<void>;

export interface IdentityUris {
  readonly installation: string;
  readonly builderId: string;
  readonly verifierId: string;
  /** The log of this installation, as verifiers know it. `origin` is a bare host name. */
  readonly log: { readonly origin: string; readonly baseUrl: string; readonly publicKeySpki: Uint8Array };
}

export interface Signing {
  readonly identityUris: IdentityUris;
  /**
   * Signs, logs and keeps a statement. Resolves when the evidence is durable, in the log and, if asked for, attached.
   * After a crash or a throw at any point, calling again with the same request, or `resume`, finishes it with the
   * same signature: two different bundles for one key never exist.
   */
  seal(request: SealRequest): Promise<Evidence>;
  /** What was sealed under a key; finishes it first when a crash left it half done. */
  find(key: string): Promise<Evidence | undefined>;
  /** All evidence about a digest, in the order of the log. */
  list(subject: Digest): Promise<readonly Evidence[]>;
  /** The signed document to pin; the same bytes until a key or a log changes. */
  trustRoot(): Promise<string>;
  /** Finishes what a crash left. Tries all, then throws the first error if there was one. */
  resume(): Promise<number>;
}
