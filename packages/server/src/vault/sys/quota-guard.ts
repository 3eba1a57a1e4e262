import { isIPv6 } from 'node:net';
import { Fault } from '@sallyport/formats';
import { type Quota, type Quotas, quotaFor } from './quota.ts';

/** Counts requests by client, in the memory of one replica. */
export interface QuotaGuard {
  /**
   * Takes one request off what the client has left. Throws `vault.rate_limit` (429) when nothing is. Two replicas count
   * apart, so a client that asks both gets twice the rate; a restart forgets.
   */
  check(quotas: Quotas, path: string, remoteAddress: string, now: number): void;
}

interface Bucket {
  tokens: number;
  /** Milliseconds since the epoch. */
  filledAt: number;
  blockedUntil: number;
}

/** Clients of one quota that are told apart; what is more shares one bucket, so that memory stays bounded. */
const maxClients = 20_000;
const crowd = 'everybody else';

export function createQuotaGuard(): QuotaGuard {
  // By quota as an object: a changed quota is another one and begins anew.
  const buckets = new WeakMap<Quota, Map<string, Bucket>>();

  function bucketOf(quota: Quota, client: string, now: number): Bucket {
    let clients = buckets.get(quota);
    if (clients === undefined) {
      clients = new Map();
      buckets.set(quota, clients);
    }
    const known = clients.get(client);
    if (known !== undefined) return known;
    if (clients.size >= maxClients) forgetFull(quota, clients, now);
    const key = clients.size >= maxClients ? crowd : client;
    const bucket = clients.get(key) ?? { tokens: quota.rate, filledAt: now, blockedUntil: 0 };
    clients.set(key, bucket);
    return bucket;
  }

  return {
    check(quotas, path, remoteAddress, now) {
      const quota = quotaFor(quotas, path);
      if (quota === undefined) return;
      const bucket = bucketOf(quota, clientOf(remoteAddress), now);
      fill(bucket, quota, now);
      if (bucket.blockedUntil > now || bucket.tokens < 1) {
        if (bucket.blockedUntil <= now) bucket.blockedUntil = now + quota.blockInterval * 1000;
        throw new Fault('exhausted', 'vault.rate_limit', `request path "${path}": rate limit quota exceeded`);
      }
      bucket.tokens -= 1;
    },
  };
}

function fill(bucket: Bucket, { rate, interval }: Quota, now: number): void {
  // A clock that was set back gives nothing and takes nothing.
  const elapsed = Math.max(0, now - bucket.filledAt);
  // Less than one whole request at a rate below one would never be enough.
  const most = Math.max(1, rate);
  bucket.tokens = Math.min(most, bucket.tokens + (elapsed * rate) / (interval * 1000));
  bucket.filledAt = now;
}

/** A full bucket says nothing that a new one would not say. */
function forgetFull(quota: Quota, clients: Map<string, Bucket>, now: number): void {
  for (const [client, bucket] of clients) {
    fill(bucket, quota, now);
    if (bucket.blockedUntil <= now && bucket.tokens >= quota.rate) clients.delete(client);
  }
}

/** One client has a whole /64 of IPv6, and could come from another address of it each time (RFC 6177). */
function clientOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped?.[1] !== undefined) return mapped[1];
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.split('%')[0]?.toLowerCase().split('::') ?? [];
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right];
  return groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}
