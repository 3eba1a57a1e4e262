import type { SecretBytes } from '@sallyport/formats';
import type { JsonObject } from '../fields.ts';

/**
 * What `sys/` needs of the server as a whole. Whatever is asynchronous is called before the turn (see `prepared`) or
 * after it, never in it.
 */
export interface Sys {
  /** Names the installation to clients; both stay the same over restarts and on all replicas. */
  readonly clusterName: string;
  readonly clusterId: string;
  /** Our own version, beside the one that clients of Vault look at. */
  readonly version: string;
  /** When this server began to answer, in milliseconds since the epoch. */
  readonly startedAt: number;
  /** `pglite` or `postgres`. */
  readonly storageType: string;
  /** Whether several replicas may serve one database. */
  readonly replicated: boolean;
  /**
   * Ends answering at once: what comes afterwards is refused as sealed, also before the keys in memory are wiped, which
   * takes until what is under way is finished.
   */
  seal(): void;
  /** The key new records are encrypted under: the system's, or that of an environment. */
  keyStatus(scope: string): Promise<KeyStatus>;
  /** A new key for every scope that has one; old records stay readable. */
  rotate(): Promise<void>;
  readonly rekey: Rekey;
  readonly generateRoot: RootCeremony;
  readonly audit: AuditDevices;
  /** In the text format of Prometheus. */
  metrics(): Promise<string>;
  /** CPU, memory, disk and name of the machine. */
  hostInfo(): JsonObject;
  /** Requests that are not answered yet, by id; no data of theirs. */
  inFlight(): JsonObject;
}

export interface KeyStatus {
  /** The version of the key, from 1. */
  readonly term: number;
  /** Milliseconds since the epoch. */
  readonly installedAt: number;
  /** Encryptions under it, as far as they are counted. */
  readonly encryptions: number;
}

/** How many shares there are, and how many of them open. */
export interface Split {
  readonly shares: number;
  readonly threshold: number;
}

export interface CeremonyStatus {
  readonly started: boolean;
  /** Names the ceremony; empty while none runs. */
  readonly nonce: string;
  readonly progress: number;
  readonly required: number;
}

/** A new set of shares in place of the one before; for a seal that a machine opens, of recovery shares. */
export interface Rekey {
  /** Which of the two kinds of shares this installation has. */
  readonly kind: 'barrier' | 'recovery';
  status(): Promise<RekeyStatus>;
  /** Throws when one runs, or when the split cannot be. */
  start(wanted: Split & { readonly verify: boolean }): Promise<void>;
  cancel(): Promise<void>;
  /** Gives one share of the set in force. With the last one the new shares exist, and are not in force yet. */
  submit(share: SecretBytes, nonce: string): Promise<RekeyStatus | NewShares>;
  verification(): Promise<CeremonyStatus & Split>;
  /** Gives one of the new shares back; with the last one the new set is in force, and the old one is not. */
  verify(share: SecretBytes, nonce: string): Promise<(CeremonyStatus & Split) | 'complete'>;
  /** Forgets what was given back; the new shares stay, under a new nonce. */
  restartVerification(): Promise<void>;
}

export interface RekeyStatus extends CeremonyStatus, Split {
  readonly verify: boolean;
  /** Empty until the new shares wait for their verification. */
  readonly verificationNonce: string;
}

export interface NewShares {
  readonly shares: readonly SecretBytes[];
  /** Empty without verification. */
  readonly verificationNonce: string;
  /**
   * Puts the new set in force. Called when the answer with the shares is written down, and not at all when they wait
   * for their verification: until then the old set opens, whatever fails.
   */
  commit(): Promise<void>;
}

export function isNewShares(result: RekeyStatus | NewShares): result is NewShares {
  return 'commit' in result;
}

/** Holders of a threshold of shares agree on a root token. */
export interface RootCeremony {
  status(): Promise<CeremonyStatus>;
  /** Remembers `otp` until the end. Throws when a ceremony runs. */
  start(otp: string): Promise<void>;
  cancel(): Promise<void>;
  /** With the last share `complete` tells the one-time password of the ceremony, which ends. */
  submit(share: SecretBytes, nonce: string): Promise<CeremonyStatus & { readonly complete?: { readonly otp: string } }>;
}

/** Devices besides the ledger that get a copy of each audit line. */
export interface AuditDevices {
  /** Those of the configuration, which the API shows and does not change. */
  configured(): readonly AuditDevice[];
  /** Throws when the configuration does not let the API make such a device, or when it cannot be opened. */
  probe(device: AuditDevice): Promise<void>;
  /** With the salt of a device from the configuration, or `undefined` when there is none at `path`. */
  hash(path: string, input: string): string | undefined;
  /** The devices of the API, or which headers are audited, are others now; see `audit-devices.ts`. */
  changed(): void;
}

export interface AuditDevice {
  /** With a slash at its end. */
  readonly path: string;
  readonly type: string;
  readonly description: string;
  readonly options: Readonly<Record<string, string>>;
  readonly local: boolean;
}
