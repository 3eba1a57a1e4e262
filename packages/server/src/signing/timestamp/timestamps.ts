import { Fault, type SigstoreAuthority, sha256, toBase64 } from '@sallyport/formats';
import { type Actor, systemActor } from '#platform';
import type { TrustMaterial } from '../trust/trust.ts';
import { type AuthoritiesDeps, createAuthorities, type ReadyAuthority, resourceOf } from './authorities.ts';
import { pemOfChain } from './chain.ts';
import { parseJsonTimestampQuery } from './json-query.ts';
import { parseTimestampQuery, type TimestampQuery, TimestampRefusal } from './query.ts';
import { timestampStore as store } from './store.pg.ts';
import type { TimestampAuthority } from './store.ts';
import { accuracySeconds, makeTimestamp, refusedTimestamp } from './token.ts';

export interface TimestampsDeps extends AuthoritiesDeps {
  /** Where clients reach us, without a path. */
  readonly publicUrl: string;
  /** Most timestamps a second, on each replica: whoever asks is not known, and each is written to the log. */
  readonly perSecond?: number;
}

export interface TimestampAnswer {
  readonly granted: boolean;
  /** A TimeStampResp, granted or not. */
  readonly response: Uint8Array;
}

/** A timestamp authority (RFC 3161): says when it was shown a digest. */
export interface Timestamps {
  /** Takes a TimeStampReq, or the same as JSON. Throws Fault `signing.timestamps_busy` beyond what it is allowed. */
  answer(query: Uint8Array, form: 'der' | 'json'): Promise<TimestampAnswer>;
  /** PEM, the leaf first. */
  chain(): Promise<Uint8Array>;
  /** A new key says times from now on; the one before stays in the trust root. */
  rotate(actor: Pick<Actor, 'kind' | 'id'>): Promise<TimestampAuthority>;
  /** For the trust root: all authorities there were. */
  material(): Promise<TrustMaterial>;
}

interface Waiting {
  readonly query: TimestampQuery;
  resolve(response: Uint8Array): void;
  reject(error: unknown): void;
}

/** Digests of a batch have to fit into one entry of the ledger, of 65,535 bytes at most. */
const maxBatch = 256;
const defaultPerSecond = 1000;

/**
 * Timestamps are made in batches: signed, then recorded in one transaction with one entry that has the digest of each
 * token, and only then given out. One entry per token would be one durable write each; a counter would not show later
 * whether a given token was ever made here.
 */
export function createTimestamps(deps: TimestampsDeps): Timestamps {
  const { db, audit, clock, random, publicUrl } = deps;
  const perSecond = deps.perSecond ?? defaultPerSecond;
  const authorities = createAuthorities(deps);
  const waiting: Waiting[] = [];
  let working = false;
  /** Tokens that may still be made; filled up with time, to the number of a second at most. */
  let allowance = perSecond;
  let filledAt = clock.now().getTime();

  function admit(): void {
    const now = clock.now().getTime();
    // A clock that went backwards fills nothing.
    allowance = Math.min(perSecond, allowance + (Math.max(0, now - filledAt) * perSecond) / 1000);
    filledAt = now;
    if (allowance < 1) {
      throw new Fault(
        'exhausted',
        'signing.timestamps_busy',
        `expected at most ${perSecond} timestamps a second`,
        { hint: 'ask again in a second' },
      );
    }
    allowance -= 1;
  }

  async function work(): Promise<void> {
    if (working) return;
    working = true;
    try {
      while (waiting.length > 0) {
        const batch = waiting.splice(0, maxBatch);
        try {
          const responses = await make(batch.map(({ query }) => query));
          for (const [index, each] of batch.entries()) each.resolve(responses[index] ?? new Uint8Array());
        } catch (error) {
          for (const each of batch) each.reject(error);
        }
      }
    } finally {
      working = false;
    }
  }

  async function make(queries: readonly TimestampQuery[]): Promise<readonly Uint8Array[]> {
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const made = await makeWith(await authorities.current(), queries);
      if (made !== 'ended') return made;
      authorities.forget();
    }
    throw new Fault('unavailable', 'signing.timestamps_rotated', 'expected a key that holds, got ended ones');
  }

  async function makeWith(
    authority: ReadyAuthority,
    queries: readonly TimestampQuery[],
  ): Promise<readonly Uint8Array[] | 'ended'> {
    const { signer, leaf, root } = authority;
    const at = new Date(Math.floor(clock.now().getTime() / 1000) * 1000);
    if (at < authority.validFrom || at >= authority.validUntil) {
      throw new TimestampRefusal('timeNotAvailable', 'the time is outside of what the certificate covers');
    }
    // 158 random bits: no two are the same, also after a crash and between replicas, with nothing to remember.
    const made = queries.map((query) =>
      makeTimestamp({ query, at, serial: random.bytes(20), signer, chain: [leaf, root] }),
    );
    const written = await db.write(async (tx) => {
      const notBefore = new Date(at.getTime() + accuracySeconds * 1000);
      const moved = await store.advance(tx, authority.number, at, notBefore);
      if (moved === 'ended') return false;
      if (moved === 'behind') {
        throw new TimestampRefusal('timeNotAvailable', 'the clock is behind a time that was said already');
      }
      await audit.record(tx, {
        type: 'signing.timestamps.made',
        actor: systemActor,
        resource: resourceOf(authority),
        detail: {
          time: at.toISOString(),
          count: made.length,
          // SHA-256 of each token, in the order they were asked for.
          tokens: made.map(({ token }) => toBase64(sha256(token))),
        },
      });
      return true;
    });
    if (!written) return 'ended';
    return made.map(({ response }) => response);
  }

  function enqueue(query: TimestampQuery): Promise<Uint8Array> {
    admit();
    return new Promise((resolve, reject) => {
      waiting.push({ query, resolve, reject });
      // In the next turn of the loop, so that those who came together are one batch.
      setImmediate(() => void work());
    });
  }

  return {
    answer: async (bytes, form) => {
      try {
        const query = form === 'der' ? parseTimestampQuery(bytes) : parseJsonTimestampQuery(bytes);
        return { granted: true, response: await enqueue(query) };
      } catch (error) {
        if (error instanceof TimestampRefusal) return { granted: false, response: refusedTimestamp(error) };
        throw error;
      }
    },
    chain: async () => {
      const { leaf, root } = await authorities.current();
      return pemOfChain([leaf, root]);
    },
    rotate: (actor) => authorities.rotate(actor),
    material: async () => {
      const all = await authorities.all();
      const [first] = all;
      const uri = `${publicUrl}/api/v1/timestamp`;
      return {
        trust: {
          timestampAuthorities: all.map(
            ({ leaf, root, validFrom, validUntil, endedAt }): SigstoreAuthority => ({
              organization: deps.installation,
              commonName: 'Sallyport timestamps',
              uri,
              certificates: [leaf, root],
              validFor: { start: validFrom.toISOString(), end: (endedAt ?? validUntil).toISOString() },
            }),
          ),
        },
        services: {
          tsaUrls:
            first === undefined
              ? []
              : [{ url: uri, majorApiVersion: 1, validFor: { start: first.validFrom.toISOString() } }],
        },
      };
    },
  };
}
