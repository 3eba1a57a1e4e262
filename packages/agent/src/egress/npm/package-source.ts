import { open, rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { Fault, isFault, toHex } from '@sallyport/formats';
import type { EgressLimits } from '../limits.ts';
import type { Permits } from '../permits.ts';
import type { EgressEntry } from '../recorder.ts';
import type { TarballCache, VerifiedFile } from './cache.ts';
import { tarballFile } from './coordinates.ts';
import { createHasher, matches, strongIntegrity } from './integrity.ts';
import type { Locked, LockIndex } from './lock-index.ts';
import { type Packument, parsePackument, type Release } from './packument.ts';
import type { Upstream } from './upstream.ts';

/** What one job's definition and lock files say about packages. */
export interface PackagePolicy {
  readonly lock: LockIndex;
  readonly onUnverified: 'fail' | 'report';
  /** Youngest a release may be; absent means any age. */
  readonly minReleaseAgeSeconds?: number | undefined;
}

export type Facts = Pick<
  EgressEntry,
  'lock' | 'cache' | 'publishedAt' | 'hasInstallScript' | 'sha256' | 'sha512' | 'sizeBytes'
>;

/** The answer to "may a step have this tarball": with the verified file, or with the reason why not. */
export type Outcome =
  | { readonly decision: 'allowed'; readonly file: VerifiedFile; readonly facts: Facts }
  | { readonly decision: 'denied'; readonly code: string; readonly message: string; readonly facts: Facts };

export interface PackageSource {
  packument(name: string): Promise<Packument>;
  /** Never throws for what a registry answers: a broken answer is a denial too. */
  obtain(name: string, version: string, locked: Locked): Promise<Outcome>;
  /** Removes what was fetched and not kept. */
  close(): Promise<void>;
}

const retryPausesMs = [250, 1000];
const rememberedBytes = 64 * 1024 * 1024;

export function createPackageSource(deps: {
  readonly upstream: Upstream;
  readonly cache: TarballCache;
  readonly policy: PackagePolicy;
  readonly clock: { now(): Date };
  readonly permits: Permits;
  readonly limits: EgressLimits;
}): PackageSource {
  const { upstream, cache, policy, clock, permits, limits } = deps;
  const documents = new Map<string, { text: number; packument: Promise<Packument> }>();
  /** Small and kept for the whole job, while whole documents may be forgotten. */
  const releases = new Map<string, Release | undefined>();
  const underWay = new Map<string, Promise<Outcome>>();
  const temporary = new Set<string>();
  let fetchedBytes = 0;

  const count = (bytes: number) => {
    fetchedBytes += bytes;
    if (fetchedBytes <= limits.jobBytes) return;
    throw new Fault(
      'exhausted',
      'egress.job_too_large',
      `expected a job to fetch at most ${limits.jobBytes} bytes, got more`,
    );
  };

  const fetchPackument = async (name: string): Promise<Packument> => {
    const chunks: Uint8Array[] = [];
    await retried(async () => {
      chunks.length = 0;
      const answer = await upstream.get(upstream.packumentUrl(name), {
        accept: 'application/json',
        maxBytes: limits.packumentBytes,
        deadlineMs: limits.packumentMs,
      });
      await expectOk(answer, `the document of "${name}"`);
      for await (const chunk of answer.body) {
        count(chunk.length);
        chunks.push(chunk);
      }
    });
    const text = Buffer.concat(chunks);
    const packument = parsePackument(text.toString('utf8'), name);
    for (const version of policy.lock.versionsOf(name))
      releases.set(`${name}@${version}`, packument.find(version));
    const entry = documents.get(name);
    if (entry !== undefined) entry.text = text.length;
    forgetOldest();
    return packument;
  };

  const forgetOldest = () => {
    let total = 0;
    for (const entry of documents.values()) total += entry.text;
    for (const [name, entry] of documents) {
      if (total <= rememberedBytes || documents.size === 1) return;
      documents.delete(name);
      total -= entry.text;
    }
  };

  const packument = (name: string): Promise<Packument> => {
    const known = documents.get(name);
    if (known !== undefined) return known.packument;
    const fetched = permits.run(() => fetchPackument(name));
    documents.set(name, { text: 0, packument: fetched });
    fetched.catch(() => documents.delete(name)); // the caller sees the fault; the next one tries again
    return fetched;
  };

  const releaseOf = async (name: string, version: string): Promise<Release | undefined> => {
    const key = `${name}@${version}`;
    return releases.has(key) ? releases.get(key) : (await packument(name)).find(version);
  };

  const download = async (url: URL, what: string): Promise<VerifiedFile> => {
    const path = await cache.temporary();
    temporary.add(path);
    return retried(async () => {
      const answer = await upstream.get(url, {
        accept: 'application/octet-stream',
        maxBytes: limits.tarballBytes,
        deadlineMs: limits.tarballMs,
      });
      await expectOk(answer, what);
      const hasher = createHasher();
      const file = await open(path, 'w', 0o600);
      try {
        for await (const chunk of answer.body) {
          count(chunk.length);
          hasher.update(chunk);
          await file.writeFile(chunk);
        }
      } finally {
        await file.close();
      }
      return { path, digests: hasher.digests() };
    });
  };

  const decide = async (name: string, version: string, locked: Locked): Promise<Outcome> => {
    const what = `${name}@${version}`;
    const facts: { -readonly [K in keyof Facts]: Facts[K] } = {
      lock: locked.kind === 'verifiable' ? 'not-applicable' : 'absent',
      cache: 'none',
    };
    const denied = (code: string, message: string): Outcome => ({ decision: 'denied', code, message, facts });
    if (locked.kind === 'conflicting') {
      facts.lock = 'mismatch';
      return denied('egress.lock_conflict', `the lock files want two different packages as ${what}`);
    }
    if (locked.kind !== 'verifiable' && policy.onUnverified === 'fail') {
      return locked.kind === 'absent'
        ? denied('egress.not_in_lock', `${what} is in no lock file of this commit`)
        : denied('egress.no_integrity', `the lock file has no sha512 or sha256 integrity for ${what}`);
    }
    const pinned = locked.kind === 'verifiable' ? locked : undefined;
    const cached =
      pinned?.integrity.algorithm === 'sha512' ? await cache.find(toHex(pinned.integrity.hash)) : undefined;
    const noted = cached?.provenance;
    const release =
      noted !== undefined &&
      noted.name === name &&
      noted.version === version &&
      noted.publishedAt !== undefined
        ? { tarball: undefined, integrity: undefined, ...noted }
        : await releaseOf(name, version);
    if (release === undefined) return denied('egress.unknown_version', `the registry does not know ${what}`);
    facts.hasInstallScript = release.hasInstallScript || pinned?.hasInstallScript === true;
    const publishedAt = dateOf(release.publishedAt);
    if (publishedAt !== undefined) facts.publishedAt = publishedAt.toISOString();
    const young = tooYoung(what, publishedAt);
    if (young !== undefined) return denied(young.code, young.message);

    if (cached !== undefined) {
      return {
        decision: 'allowed',
        file: cached,
        facts: { ...facts, ...shown(cached), lock: 'match', cache: 'hit' },
      };
    }
    facts.cache = 'miss';
    const url = upstream.tarballUrl(name, tarballFile(name, version), release.tarball);
    const file = await permits.run(() => download(url, what));
    Object.assign(facts, shown(file));
    const integrity = pinned?.integrity ?? strongIntegrity(release.integrity);
    if (integrity !== undefined && !matches(integrity, file.digests)) {
      await rm(file.path, { force: true });
      facts.lock = pinned === undefined ? 'absent' : 'mismatch';
      const by = pinned === undefined ? 'registry' : 'lock file';
      return denied(
        'egress.integrity_mismatch',
        `the bytes the registry gave for ${what} do not have the ${integrity.algorithm} the ${by} says`,
      );
    }
    if (pinned === undefined) return { decision: 'allowed', file, facts };
    const { hasInstallScript } = release;
    const kept = await cache.keep(file, { name, version, publishedAt: facts.publishedAt, hasInstallScript });
    temporary.delete(file.path);
    return { decision: 'allowed', file: kept, facts: { ...facts, lock: 'match' } };
  };

  const tooYoung = (what: string, publishedAt: Date | undefined) => {
    const minimum = policy.minReleaseAgeSeconds;
    if (minimum === undefined || minimum === 0) return undefined;
    if (publishedAt === undefined) {
      return { code: 'egress.age_unknown', message: `the registry does not say when ${what} was published` };
    }
    const ageSeconds = Math.floor((clock.now().getTime() - publishedAt.getTime()) / 1000);
    if (ageSeconds >= minimum) return undefined;
    return {
      code: 'egress.too_young',
      message: `${what} was published ${ageSeconds} s ago; min_release_age asks for ${minimum} s`,
    };
  };

  return {
    packument,
    obtain(name, version, locked) {
      const key = `${name}@${version}`;
      const running = underWay.get(key);
      if (running !== undefined) return running;
      const outcome = decide(name, version, locked)
        .catch((error: unknown) => brokenAnswer(error, key))
        .finally(() => underWay.delete(key));
      underWay.set(key, outcome);
      return outcome;
    },
    async close() {
      await Promise.allSettled(underWay.values());
      for (const path of temporary) await rm(path, { force: true });
    },
  };
}

/** Faults of the outside world become denials; a fault of ours (a full disk) is thrown on and stops the step. */
function brokenAnswer(error: unknown, what: string): Outcome {
  if (!isFault(error) || error.kind === 'internal') throw error;
  return {
    decision: 'denied',
    code: error.code,
    message: `${what}: ${error.message}`,
    facts: { lock: 'not-applicable', cache: 'none' },
  };
}

function dateOf(date: Date | string | undefined): Date | undefined {
  const read = date === undefined ? undefined : new Date(date);
  return read === undefined || Number.isNaN(read.getTime()) ? undefined : read;
}

function shown(file: VerifiedFile): Pick<Facts, 'sha256' | 'sha512' | 'sizeBytes'> {
  return { sha256: file.digests.sha256, sha512: file.digests.sha512, sizeBytes: file.digests.sizeBytes };
}

async function expectOk(
  answer: { status: number; body: AsyncIterable<Uint8Array> },
  what: string,
): Promise<void> {
  if (answer.status === 200) return;
  await answer.body[Symbol.asyncIterator]().return?.(); // lets the connection go
  const message = `expected ${what} from the registry, got status ${answer.status}`;
  if (answer.status === 404) throw new Fault('not_found', 'egress.not_found', message);
  const passing = answer.status >= 500 || answer.status === 429 || answer.status === 408;
  throw passing
    ? new Fault('unavailable', 'egress.upstream_unavailable', message)
    : new Fault('denied', 'egress.upstream_refused', message);
}

/** Only `unavailable` is tried again: a wrong digest today is a wrong digest. */
async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (const wait of retryPausesMs) {
    try {
      return await work();
    } catch (error) {
      if (!isFault(error) || error.kind !== 'unavailable') throw error;
      await pause(wait);
    }
  }
  return work();
}
