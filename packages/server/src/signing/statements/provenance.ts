import type { EgressRecord, Isolation, Material } from '@sallyport/contract';
import {
  type BuildParameters,
  buildType,
  type Digest,
  digestHex,
  type ResourceDescriptor,
} from '@sallyport/formats';
import { contentOf, type StatementContent } from './content.ts';

export interface BuildStepRecord {
  readonly name: string;
  readonly phase: 'build' | 'verify';
  readonly network: 'none' | 'registries' | 'allowlist';
  readonly logDigest: Digest;
  readonly isolation: Isolation;
  readonly egress: readonly EgressRecord[];
}

/** What the control plane observed of a run: nothing in it was said by the build itself. */
export interface BuildRecord {
  readonly builderId: string;
  readonly runId: string;
  readonly attempt: number;
  /** Everything that could be chosen from outside; provenance is only as good as this list is complete. */
  readonly parameters: BuildParameters;
  readonly sourceDigest: Digest;
  readonly agent: { readonly id: string; readonly version: string };
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly steps: readonly BuildStepRecord[];
  readonly materials: readonly Material[];
}

/**
 * SLSA provenance v1. `resolvedDependencies` is taken from the mirror's own record of what went over the wire, never
 * from what a step claims; denied attempts stay out of it and are counted.
 */
export function provenanceStatement(record: BuildRecord): StatementContent {
  const { parameters } = record;
  return contentOf('provenance', {
    buildDefinition: {
      buildType,
      externalParameters: { ...parameters, definition: { ...parameters.definition } },
      internalParameters: {
        attempt: record.attempt,
        agent: { ...record.agent },
        // Invariant 11: what was really in force, per step, not what was asked for.
        steps: record.steps.map((step) => ({
          name: step.name,
          phase: step.phase,
          network: step.network,
          isolation: { ...step.isolation, namespaces: [...step.isolation.namespaces] },
          denied: step.egress.filter((each) => each.decision === 'denied').length,
        })),
      },
      resolvedDependencies: resolvedDependencies(record),
    },
    runDetails: {
      builder: { id: record.builderId },
      metadata: { invocationId: record.runId, startedOn: record.startedAt, finishedOn: record.finishedAt },
      byproducts: record.steps.map((step) => ({
        name: `log/${step.name}`,
        digest: { sha256: digestHex(step.logDigest) },
        mediaType: 'text/plain',
      })),
    },
  });
}

function resolvedDependencies(record: BuildRecord): readonly ResourceDescriptor[] {
  const { repository, ref, commit } = record.parameters;
  const source: ResourceDescriptor = {
    uri: `git+${repository}@${ref}`,
    digest: { gitCommit: commit, sha256: digestHex(record.sourceDigest) },
  };
  const materials = record.materials.map((material): ResourceDescriptor => {
    const name = material.name === undefined ? {} : { name: material.name };
    return { ...name, uri: material.uri, digest: material.digest, annotations: { kind: material.kind } };
  });
  const fetched = new Map<string, ResourceDescriptor>();
  for (const step of record.steps) {
    for (const each of step.egress) {
      if (each.decision === 'denied') continue;
      const descriptor = fetchedDescriptor(each, step);
      // The same tarball fetched twice is one dependency; another tarball under the same name is two.
      fetched.set(`${each.uri} ${each.sha256 ?? ''} ${each.sha512 ?? ''} ${step.phase}`, descriptor);
    }
  }
  const rest = [...materials, ...fetched.values()].sort((a, b) => {
    const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
    return left < right ? -1 : left > right ? 1 : 0;
  });
  return [source, ...rest];
}

function fetchedDescriptor(each: EgressRecord, step: BuildStepRecord): ResourceDescriptor {
  const digest = {
    ...(each.sha256 === undefined ? {} : { sha256: each.sha256 }),
    ...(each.sha512 === undefined ? {} : { sha512: each.sha512 }),
  };
  return {
    uri: each.uri,
    ...(each.name === undefined ? {} : { name: each.name }),
    ...(Object.keys(digest).length === 0 ? {} : { digest }),
    annotations: {
      kind: each.kind,
      step: step.name,
      phase: step.phase,
      lock: each.lock,
      cache: each.cache,
      ...(each.publishedAt === undefined ? {} : { publishedAt: each.publishedAt }),
    },
  };
}
