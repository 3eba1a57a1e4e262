import { setTimeout as sleep } from 'node:timers/promises';
import type { DesiredPage, DesiredState } from '@sallyport/contract';
import {
  canonicalJson,
  type Digest,
  digestOf,
  parseDigest,
  parseTrustRoot,
  predicateTypes,
  requireNotRevoked,
  utf8,
  verifyDesiredState,
} from '@sallyport/formats';
import type { Context } from '../context.ts';
import { placeOf } from '../promotion/advance.ts';
import type { Place } from '../promotion/promotion.ts';

/** How often a waiting request looks again: the wait must also end for a change by another replica. */
const pollMilliseconds = 250;
/** A digest that more runs than this have built is known by the first of them. */
const shownProvenance = 8;

export function createDesired(context: Context) {
  const { db, store, deployments, signing, revocations } = context;

  /** The newest published revision of each service in the given `project/environment` places. */
  async function desiredFor(environments: readonly string[]): Promise<readonly DesiredState[]> {
    return db.read(async (tx) => {
      const states: DesiredState[] = [];
      for (const desired of await deployments.listCurrent(tx, environments)) {
        const service = await store.findService(tx, desired.project, desired.service);
        if (service === undefined || desired.published === undefined) continue;
        states.push({
          project: desired.project,
          environment: desired.environment,
          service: desired.service,
          revision: desired.revision,
          digest: desired.digest,
          ociRepository: service.ociRepository,
          statement: desired.published.statement,
          verdict: desired.published.verdict,
        });
      }
      return states;
    });
  }

  /** As `desiredFor`, but waits up to `waitSeconds` while nothing differs from `after`. */
  async function desiredSince(
    environments: readonly string[],
    after: string | undefined,
    waitSeconds: number,
    signal: AbortSignal,
  ): Promise<DesiredPage> {
    const ends = Date.now() + waitSeconds * 1000;
    for (;;) {
      const states = await desiredFor(environments);
      const { bundle, bundleDigest } = await revocations.current();
      const cursor = cursorOf(states, bundleDigest);
      if (cursor !== after || Date.now() >= ends || signal.aborted)
        return { cursor, revocations: bundle, deployments: await Promise.all(states.map(withProvenance)) };
      // Aborted: the caller has gone, the answer is for nobody.
      await sleep(pollMilliseconds, undefined, { signal }).catch(() => undefined);
    }
  }

  async function withProvenance(desired: DesiredState): Promise<DesiredState> {
    return { ...desired, provenance: await provenanceOf(parseDigest(desired.digest)) };
  }

  async function provenanceOf(digest: Digest): Promise<string[]> {
    return (await signing.list(digest))
      .filter((each) => each.predicateType === predicateTypes.provenance)
      .slice(0, shownProvenance)
      .map((each) => each.bundle);
  }

  /** What the newest published revision of a place may be given; only what is published is real. */
  async function currentDesired(
    place: Place,
  ): Promise<{ readonly revision: number; readonly secrets: Readonly<Record<string, string>> } | undefined> {
    const current = await db.read((tx) => deployments.findCurrent(tx, place));
    if (current?.published === undefined) return undefined;
    // Secrets are handed out by what it says: the signed statement is verified, the row is not believed.
    const trust = parseTrustRoot(await signing.trustRoot());
    const { desired, verdict } = verifyDesiredState(current.published.statement, trust, {
      ...placeOf(current),
      verdict: current.published.verdict,
      subject: current.digest,
      revision: current.revision,
      ociRepository: (await db.read((tx) => context.resolve(tx, place))).service.ociRepository,
    });
    // What was withdrawn gets no secret any more, whatever its agent thinks.
    const { list } = await revocations.current();
    requireNotRevoked(list, verdict, await provenanceOf(current.digest), trust);
    const { spec } = desired;
    return { revision: current.revision, secrets: secretsOf(spec) };
  }

  return { desiredFor, desiredSince, currentDesired };
}

function secretsOf(spec: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const declared = spec['secrets'];
  if (typeof declared !== 'object' || declared === null) return {};
  return Object.fromEntries(
    Object.entries(declared).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** A name for the whole answer, not a position: nothing that commits late can hide behind it. */
function cursorOf(states: readonly DesiredState[], revocations: Digest): string {
  const named = states.map(({ project, environment, service, revision }) => [
    project,
    environment,
    service,
    revision,
  ]);
  return digestOf(utf8(canonicalJson({ named, revocations })));
}
