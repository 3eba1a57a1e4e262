import type { KeyObject } from 'node:crypto';
import type { Random } from '#platform';
import type { Backend } from './backend.ts';
import type { Readers } from './inventory/readers.ts';
import type { KeyedHash } from './keyed-hash.ts';
import type { AuditDevices, Sys } from './sys/ports.ts';

/** What the core lends to handlers. Nothing in it is state of a request. */
export interface Core {
  readonly random: Random;
  /** A random UUID (version 4), as Vault names things. */
  uuid(): string;
  /** What tokens are hashed with; see tokens/secret.ts. */
  readonly tokenKey: KeyedHash;
  /** What values are fingerprinted with; see environments/fingerprints.ts. */
  readonly fingerprintKey: KeyObject;
  /** Where reads of secrets are noted, for the inventory. */
  readonly readers: Readers;
  /** Engines and login methods by type. */
  readonly backends: {
    readonly secret: ReadonlyMap<string, Backend>;
    readonly auth: ReadonlyMap<string, Backend>;
  };
  readonly audit: AuditDevices;
  /** What only the server as a whole can do: seal, rotate, tell about itself. */
  readonly sys: Sys;
}
