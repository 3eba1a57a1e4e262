import type { Client } from '@sallyport/sdk';
import { project } from './scene.ts';

/** What must be the same after a disturbed journey as after an undisturbed one: everything but ids and times. */
export interface Outcome {
  readonly run: string;
  readonly trust: string;
  /** Promotions as `environment purpose state revision`. */
  readonly promotions: readonly string[];
  /** How many pieces of evidence of each type there are about the digest. */
  readonly evidence: Readonly<Record<string, number>>;
  /** The places, with how often each is named, that signed desired states and deployments are about. */
  readonly published: Readonly<Record<string, number>>;
}

export async function outcomeOf(client: Client, commit: string): Promise<Outcome> {
  const runs = (await client.runs.list(project, 200)).filter((each) => each.commit === commit);
  const [run] = runs;
  // A push that started two runs, or none, is the first thing that may go wrong.
  if (run === undefined || runs.length !== 1)
    throw new Error(`expected one run of ${commit}, got ${runs.length}`);
  const digest = run.image ?? '';
  const promotions = (await client.releases.promotions(project)).filter((each) => each.digest === digest);
  const evidence = await client.evidence.list(digest);
  const named = evidence.flatMap(({ predicateType, bundle }) => {
    const type = predicateType.split('/').at(-2) ?? predicateType;
    if (type !== 'deployment' && type !== 'desired-state') return [];
    const { environment, revision } = predicateOf(bundle);
    return [
      `${type} ${String(environment)} revision ${String(revision)} of ${revisionOf(promotions, environment)}`,
    ];
  });
  return {
    run: run.state,
    trust: run.trust,
    promotions: promotions
      .map(({ environment, purpose, state }) => `${environment} ${purpose} ${state}`)
      .sort(),
    evidence: countOf(evidence.map((each) => each.predicateType)),
    published: countOf(named.map((each) => each.replace(/revision ([0-9]+) of \1$/, 'its revision'))),
  };
}

function revisionOf(
  promotions: ReadonlyArray<{ readonly environment: string; readonly revision?: number | undefined }>,
  environment: unknown,
): string {
  return String(promotions.find((each) => each.environment === environment)?.revision);
}

function predicateOf(bundle: string): Readonly<Record<string, unknown>> {
  const { dsseEnvelope } = JSON.parse(bundle) as { dsseEnvelope: { payload: string } }; // our own bundle format
  const statement = JSON.parse(Buffer.from(dsseEnvelope.payload, 'base64').toString('utf8')) as {
    predicate: Record<string, unknown>;
  };
  return statement.predicate;
}

function countOf(names: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of names.toSorted()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
