import type { Digest } from '@sallyport/formats';
import type { Tx } from '#platform';
import { releaseState, serviceState } from '../audited.ts';
import { type Context, nameOf, type ResolvedPlace } from '../context.ts';
import { createEvidenceReader } from '../evidence-set.ts';
import { fact } from '../policy/cel.ts';
import { decide, type EvidenceSet, type Verdict } from '../policy/decide.ts';
import type { Circumstances, EvidenceFacts } from '../policy/facts.ts';
import { ofTrustedRuns, signersOf } from '../policy/trusted.ts';
import type { Residence } from '../store.ts';
import type { Place } from './promotion.ts';

export interface Judgement {
  readonly verdict: Verdict;
  readonly set: EvidenceSet;
  readonly place: ResolvedPlace;
}

/** Collects what a decision rests on, verifies it, and decides. Writes nothing: `why` uses it as well. */
export function createJudge(context: Context) {
  const reader = createEvidenceReader();

  async function judge(place: Place, digest: Digest, promoter: string | undefined): Promise<Judgement> {
    const { db, clock, signing, store } = context;
    // The definition first: with an unknown place there is nothing to verify for.
    const state = await db.read(async (tx) => {
      const resolved = await context.resolve(tx, place);
      const release = await store.findRelease(tx, place.project, place.service, digest);
      await context.assertRecorded(tx, `service/${nameOf(place)}`, serviceState(resolved.service));
      if (release !== undefined)
        await context.assertRecorded(tx, `release/${release.id}`, releaseState(release));
      const residence = await residenceBefore(tx, place, resolved, digest);
      return { resolved, release, residence };
    });
    const evidence = await signing.list(digest);
    const { list } = await context.revocations.current();
    const everything = reader.read(digest, evidence, await signing.trustRoot(), list);
    const { repository } = state.resolved.policy.expected;
    const { builderId } = signing.identityUris;
    const ours = { builder: builderId, project: place.project, service: place.service, repository };
    const set = { ...everything, facts: ofTrustedRuns(everything.facts, ours) };
    const now = clock.now();
    const { policy, environment } = state.resolved;
    const { email, personId } = state.release?.author ?? { email: undefined, personId: undefined };
    const named = personId ?? (email === undefined ? undefined : await context.personOf(email));
    const signedBy = signersOf(set.facts, ours);
    const author = signedBy === undefined ? undefined : named;
    const signers = await Promise.all((signedBy ?? []).map((signer) => context.personOf(signer)));
    const soaked = soakOf(state.residence, now);
    const circumstances: Circumstances = {
      now,
      project: place.project,
      service: place.service,
      subject: fact('Subject', { digest }),
      environment: fact('Environment', { name: place.environment, previous: environment.previous }),
      expected: fact('Expected', {
        builder: builderId,
        repository: policy.expected.repository,
        refs: policy.expected.refs,
        tests: policy.expected.tests,
        lockfiles: BigInt(policy.expected.lockfiles),
        author: author ?? '',
        // The author of a commit is a claim, its signature is not: whoever signed is no second pair of eyes.
        authors: [...new Set([author, ...signers].filter((person) => person !== undefined))],
        promoter: promoter ?? '',
      }),
      previous: fact('Previous', shownBy(set.facts.deployments, place, environment.previous, soaked, now)),
    };
    return { verdict: decide(set, environment, circumstances), set, place: state.resolved };
  }

  async function residenceBefore(
    tx: Tx,
    place: Place,
    { environment }: ResolvedPlace,
    digest: Digest,
  ): Promise<Residence | undefined> {
    if (environment.previous === '') return undefined;
    return context.deployments.findResidence(tx, { ...place, environment: environment.previous }, digest);
  }

  return { judge };
}

/** How long after a healthy report a service still counts as healthy. Agents report several times as often. */
export const silenceSeconds = 300;

/** No longer than since the first signed report of health there: the table of residences alone proves no time. */
function shownBy(
  deployments: EvidenceFacts['deployments'],
  { project, service }: Place,
  previous: string,
  soaked: ReturnType<typeof soakOf>,
  now: Date,
): ReturnType<typeof soakOf> {
  const times = deployments
    .filter((each) => each.project === project && each.service === service)
    .filter((each) => each.environment === previous && each.health === 'Healthy')
    .map((each) => each.at.getTime());
  const shown = times.length === 0 ? 0 : Math.max(0, Math.floor((now.getTime() - Math.min(...times)) / 1000));
  const seconds = BigInt(shown);
  return { ...soaked, healthySeconds: soaked.healthySeconds < seconds ? soaked.healthySeconds : seconds };
}

export type Judge = ReturnType<typeof createJudge>;

/** The longest healthy stretch counts, the running one included: a release keeps what it has shown. */
export function soakOf(
  residence: Residence | undefined,
  now: Date,
): { healthy: boolean; healthySeconds: bigint } {
  if (residence === undefined) return { healthy: false, healthySeconds: 0n };
  const { healthySince, lastHealthyAt, longestSeconds } = residence;
  if (healthySince === undefined || lastHealthyAt === undefined) {
    return { healthy: false, healthySeconds: BigInt(longestSeconds) };
  }
  // An agent that has fallen silent says nothing about health: its silence must not pass for soaking.
  const until = Math.min(now.getTime(), lastHealthyAt.getTime() + silenceSeconds * 1000);
  const running = Math.floor((until - healthySince.getTime()) / 1000);
  return {
    healthy: until === now.getTime(),
    healthySeconds: BigInt(Math.max(0, running, longestSeconds)),
  };
}
