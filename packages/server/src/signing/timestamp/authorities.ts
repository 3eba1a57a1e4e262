import { digestOf, Fault } from '@sallyport/formats';
import type { Audit, AuditedTable, Clock, Db, Json, Random, Tx } from '#platform';
import { systemActor } from '#platform';
import type { EvidenceLog } from '../evidence.ts';
import { makeTimestampChain, type TimestampSigner } from './chain.ts';
import { timestampStore as store } from './store.pg.ts';
import type { TimestampAuthority } from './store.ts';

export interface AuthoritiesDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  readonly ledger: Pick<EvidenceLog, 'agrees'>;
  readonly signer: () => Promise<TimestampSigner>;
  readonly rootSigner: () => Promise<TimestampSigner>;
  /** Stands in the certificates; cut at 64 characters. */
  readonly installation: string;
}

/** An authority with its key, ready to say times. */
export interface ReadyAuthority extends TimestampAuthority {
  readonly signer: TimestampSigner;
}

const yearMs = 365 * 86_400_000;
const rootYears = 20;
const leafYears = 15;

/** Which keys said times, with certificates. A new key gets its own at its first use, and the old one stays. */
export function createAuthorities(deps: AuthoritiesDeps) {
  const { db, audit, clock, random, ledger, installation } = deps;
  let known: ReadyAuthority | undefined;

  async function current(): Promise<ReadyAuthority> {
    const signer = await deps.signer();
    if (known?.keyId === signer.keyId) return known;
    const found = (await db.read((tx) => find(tx, signer))) ?? (await create(signer));
    known = { ...found, signer };
    return known;
  }

  /** As it was recorded: a certificate that somebody else put there would be believed by every verifier. */
  async function find(tx: Tx, signer: TimestampSigner): Promise<TimestampAuthority | undefined> {
    const authority = await store.find(tx, signer.keyId);
    if (authority !== undefined) await requireRecorded(tx, authority);
    return authority;
  }

  async function create(signer: TimestampSigner): Promise<TimestampAuthority> {
    const root = await deps.rootSigner();
    return db.write(async (tx) => {
      await store.lock(tx);
      const theirs = await find(tx, signer);
      if (theirs !== undefined) return theirs;
      const validFrom = new Date(Math.floor(clock.now().getTime() / 1000) * 1000);
      const validUntil = new Date(validFrom.getTime() + leafYears * yearMs);
      const chain = makeTimestampChain({
        organization: installation,
        root,
        leaf: signer,
        notBefore: validFrom,
        rootNotAfter: new Date(validFrom.getTime() + rootYears * yearMs),
        leafNotAfter: validUntil,
        serials: [random.bytes(16), random.bytes(16)],
      });
      const authority = { keyId: signer.keyId, ...chain, validFrom, validUntil };
      await store.insert(tx, authority);
      await audit.record(tx, {
        type: 'signing.timestamps.began',
        actor: systemActor,
        resource: resourceOf(authority),
        state: stateOf(authority),
      });
      return authority;
    });
  }

  async function requireRecorded(tx: Tx, authority: TimestampAuthority): Promise<void> {
    if (await ledger.agrees(tx, resourceOf(authority), stateOf(authority))) return;
    throw new Fault(
      'integrity',
      'signing.timestamps_unrecorded',
      `expected timestamp authority ${authority.keyId} to be as it was recorded, got another`,
      { hint: 'it was changed past the server: run "sally ledger verify"' },
    );
  }

  return {
    current,
    /** All there were, oldest first, the current one made if there is none. */
    async all(): Promise<readonly TimestampAuthority[]> {
      await current();
      return db.read(async (tx) => {
        const all = await store.list(tx);
        for (const each of all) await requireRecorded(tx, each);
        return all;
      });
    },
  };
}

export function timestampsAudited(): AuditedTable[] {
  return [
    {
      kind: 'timestamp-authority',
      states: async (tx) => (await store.list(tx)).map((each) => [resourceOf(each), stateOf(each)] as const),
    },
  ];
}

export const resourceOf = ({ keyId }: TimestampAuthority): string => `timestamp-authority/${keyId}`;

/** Without the last time that was said: the batches tell it, entry by entry. */
function stateOf({ keyId, leaf, root, validFrom, validUntil }: TimestampAuthority): Json {
  return {
    keyId,
    leaf: digestOf(leaf),
    root: digestOf(root),
    validFrom: validFrom.toISOString(),
    validUntil: validUntil.toISOString(),
  };
}
