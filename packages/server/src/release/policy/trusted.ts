import type { EvidenceFacts } from './facts.ts';

export interface Ours {
  readonly builder: string;
  readonly project: string;
  readonly service: string;
  readonly repository: string;
}

function trustedProvenance({ provenance }: EvidenceFacts, ours: Ours): EvidenceFacts['provenance'] {
  return provenance.filter(
    (each) =>
      each.trust === 'trusted' &&
      each.builder === ours.builder &&
      each.project === ours.project &&
      each.service === ours.service &&
      each.repository === ours.repository,
  );
}

/**
 * Who signed the commits of the trusted runs; undefined when that cannot be told of each of them, so that nobody gains
 * by hiding what names them.
 */
export function signersOf(facts: EvidenceFacts, ours: Ours): readonly string[] | undefined {
  const commits = new Set(trustedProvenance(facts, ours).map(({ commit }) => commit));
  const sources = facts.sources.filter(({ commit }) => commits.has(commit));
  if ([...commits].some((commit) => !sources.some((source) => source.commit === commit))) return undefined;
  return sources.filter(({ signed }) => signed).map(({ signer }) => signer);
}

/**
 * Leaves out what runs showed that nobody vouches for. The same commit gives the same bytes, so a stranger's pull request
 * can produce the very digest of a release, with tests and dependencies of its own: genuine evidence about these bytes,
 * and yet no ground for letting them in. What a run showed counts only with provenance that says that it was a trusted
 * run of this builder, for this project, service and repository. Provenance itself stays whole: the gate on it says why
 * it is not enough. Taking evidence away takes more away here, never less (monotone.ts).
 */
export function ofTrustedRuns(facts: EvidenceFacts, ours: Ours): EvidenceFacts {
  const trusted = trustedProvenance(facts, ours);
  const runs = new Set(trusted.map(({ runId }) => runId));
  const commits = new Set(trusted.map(({ commit }) => commit));
  const ofRun = ({ runId }: { readonly runId: string }): boolean => runs.has(runId);
  return {
    ...facts,
    runs: facts.runs.filter(ofRun),
    tests: facts.tests.filter(ofRun),
    dependencies: facts.dependencies.filter(ofRun),
    sources: facts.sources.filter(
      ({ commit, repository }) => commits.has(commit) && repository === ours.repository,
    ),
  };
}
