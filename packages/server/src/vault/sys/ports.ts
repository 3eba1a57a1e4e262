import type { Turn } from '#journal';
import type { Keyring, Quorum, RekeyStatus } from '#keyring';
import type { JsonObject } from '../fields.ts';

/**
 * What `sys/` needs of the server as a whole. Whatever is asynchronous is called before the turn (see `prepared`) or
 * after it, never in it.
 */
export interface Sys {
  readonly facts: ServerFacts;
  /**
   * Ends answering at once: what comes afterwards is refused as sealed, also before the keys in memory are wiped, which
   * takes until what is under way is finished.
   */
  seal(): void;
  /** The key that new records of a scope are encrypted under. */
  keyStatus(scope: string): Promise<KeyStatus>;
  /** A new key for every scope that has one; old records stay readable. */
  rotate(): Promise<void>;
  readonly keyring: Pick<Keyring, 'status'> & {
    readonly rekey: Keyring['rekey'] & {
      /** Forgets the new shares that were brought back, and goes on under a new nonce. */
      restartVerification(): RekeyStatus;
    };
    /** In which holders of shares agree to a new root token. One for the whole server. */
    readonly rootQuorum: Quorum;
  };
  /** In the text format of Prometheus. */
  metrics(): Promise<string>;
  /** CPU, memory, disk and name of the machine. */
  hostInfo(): JsonObject;
  /** Requests that are not answered yet, by id; no data of theirs. */
  inFlight(): JsonObject;
}

/** What does not change while the server runs. */
export interface ServerFacts {
  /** Name the installation to clients; both are the same over restarts and on all replicas. */
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
  /** Where clients reach the server. */
  readonly address: string;
}

export interface KeyStatus {
  /** The version of the key, from 1. */
  readonly term: number;
  /** Milliseconds since the epoch. */
  readonly installedAt: number;
  /** Encryptions under it, as far as they are counted. */
  readonly encryptions: number;
}

/** Where audit lines go. */
export interface AuditDevices {
  /** The ledger's own, and those of the configuration: the API shows them and does not change them. */
  configured(): readonly AuditDevice[];
  /** Throws when the configuration does not let the API make such a device, or when it cannot be opened. */
  probe(device: AuditDevice): Promise<void>;
  /** With the salt of one of those that are `configured`, or `undefined` when there is none at `path`. */
  hash(path: string, input: string): string | undefined;
  /** With the salt of a device of the API. */
  hashKept(turn: Turn, device: KeptDevice, input: string): string;
  /** The devices of the API are others now. */
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

/** A device that was enabled through the API. */
export interface KeptDevice extends AuditDevice {
  /** Another one each time a device is enabled, also under the same path. */
  readonly id: string;
}
