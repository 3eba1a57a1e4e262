import { digestOf, Fault } from '@sallyport/formats';
import type { Actor, Audit, AuditedTable, Clock, Db, Json, Random, Tx } from '#platform';
import { systemActor } from '#platform';
import type { EvidenceLog } from '../evidence.ts';
import { type TimestampSigner, timestampLeaf, timestampRoot } from './chain.ts';
import { timestampStore as store } from './store.pg.ts';
import type { TimestampAuthority } from './store.ts';

export interface AuthoritiesDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  readonly ledger: Pick<EvidenceLog, 'agrees'>;
  /** The key with this number, made at its first use. Never asked inside a transaction. */
  readonly signer: (number: number) => Promise<TimestampSigner>;
  readonly rootSigner: () => Promise<TimestampSigner>;
  /** Stands in the certificates; cut at 64 characters. */
  readonly installation: string;
}

/** An authority with its key, ready to say times. */
export interface ReadyAuthority extends TimestampAuthority {
  readonly signer: TimestampSigner;
}

const yearMs = 365 * 86_400_000;
const rootYears = 30;
const leafYears = 15;

/** Which keys said times, with certificates and periods. All have one root, and all stay in the trust root. */
export function createAuthorities(deps: AuthoritiesDeps) {
  const { db, audit, clock, random, ledger, installation } = deps;
  let known: ReadyAuthority | undefined;

  async function current(): Promise<ReadyAuthority> {
    if (known !== undefined) return known;
    const found = (await db.read(read)) ?? (await begin(undefined, systemActor));
    const signer = await deps.signer(found.number);
    if (signer.keyId !== found.keyId) throw unrecorded(found);
    known = { ...found, signer };
    return known;
  }

  /** As it was recorded: a certificate that somebody else put there would be believed by every verifier. */
  async function read(tx: Tx): Promise<TimestampAuthority | undefined> {
    const authority = await store.current(tx);
    if (authority !== undefined) await requireRecorded(tx, authority);
    return authority;
  }

  /** Makes the authority after `before` and ends that one, unless another process did meanwhile. */
  async function begin(
    before: TimestampAuthority | undefined,
    actor: Pick<Actor, 'kind' | 'id'>,
  ): Promise<TimestampAuthority> {
    const number = (before?.number ?? 0) + 1;
    // Keys first: they are made in transactions of their own, and one that is not used in the end harms nobody.
    const [root, signer] = [await deps.rootSigner(), await deps.signer(number)];
    return db.write(async (tx) => {
      await store.lock(tx);
      const latest = await read(tx);
      if (latest !== undefined && latest.number !== before?.number) return latest;
      const validFrom = new Date(Math.floor(clock.now().getTime() / 1000) * 1000);
      const request = (years: number) => ({
        organization: installation,
        root,
        notBefore: validFrom,
        notAfter: new Date(validFrom.getTime() + years * yearMs),
        serial: random.bytes(16),
      });
      const leaf = request(leafYears);
      const authority: TimestampAuthority = {
        number,
        keyId: signer.keyId,
        leaf: timestampLeaf(leaf, signer),
        root: latest?.root ?? timestampRoot(request(rootYears)),
        validFrom,
        validUntil: leaf.notAfter,
        endedAt: undefined,
      };
      if (latest !== undefined) {
        // To the end of the second: what it said in this one stays believed.
        const ended = { ...latest, endedAt: new Date(validFrom.getTime() + 1000) };
        await store.end(tx, latest.number, ended.endedAt);
        await record(tx, 'signing.timestamps.ended', ended, actor);
      }
      await store.insert(tx, authority);
      await record(tx, 'signing.timestamps.began', authority, actor);
      return authority;
    });
  }

  function record(
    tx: Tx,
    type: string,
    authority: TimestampAuthority,
    { kind, id }: Pick<Actor, 'kind' | 'id'>,
  ): Promise<void> {
    const [resource, state] = [resourceOf(authority), stateOf(authority)];
    return audit.record(tx, { type, actor: { kind, id }, resource, state });
  }

  async function requireRecorded(tx: Tx, authority: TimestampAuthority): Promise<void> {
    if (!(await ledger.agrees(tx, resourceOf(authority), stateOf(authority)))) throw unrecorded(authority);
  }

  return {
    current,
    /** After another process ended the one that `current` gave. */
    forget(): void {
      known = undefined;
    },
    /** A new key says times from now on. */
    async rotate(actor: Pick<Actor, 'kind' | 'id'>): Promise<TimestampAuthority> {
      known = undefined;
      const made = await begin(await current(), actor);
      known = undefined;
      return made;
    },
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

function unrecorded({ keyId }: TimestampAuthority): Fault {
  return new Fault(
    'integrity',
    'signing.timestamps_unrecorded',
    `expected timestamp authority ${keyId} to be as it was recorded, got another`,
    { hint: 'it was changed past the server: run "sally ledger verify"' },
  );
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
function stateOf({ number, keyId, leaf, root, validFrom, validUntil, endedAt }: TimestampAuthority): Json {
  return {
    number,
    keyId,
    leaf: digestOf(leaf),
    root: digestOf(root),
    validFrom: validFrom.toISOString(),
    validUntil: validUntil.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
  };
}
