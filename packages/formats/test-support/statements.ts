import {
  buildType,
  type Digest,
  digestOf,
  type PredicateName,
  type Predicates,
  placeUri,
  predicateTypes,
  type Statement,
  utf8,
} from '../src/index.ts';

export const place = { project: 'shop', environment: 'prod', service: 'orders' } as const;
const at = '2026-11-20T10:00:00Z';
const commit = 'a'.repeat(40);
const someDigest: Digest = digestOf(utf8('something'));

/** One valid predicate of every kind. */
export const examples: Predicates = {
  provenance: {
    buildDefinition: {
      buildType,
      externalParameters: {
        project: 'shop',
        service: 'orders',
        repository: 'https://git.example.test/orders',
        ref: 'refs/heads/main',
        commit,
        trust: 'trusted',
        trigger: 'push',
        definition: { path: 'sallyport.yaml', digest: someDigest },
      },
      resolvedDependencies: [{ uri: 'pkg:npm/a@1.0.0', digest: { sha256: 'b'.repeat(64) } }],
    },
    runDetails: {
      builder: { id: 'https://sallyport.example.test/builder' },
      metadata: { invocationId: 'run_1', startedOn: at, finishedOn: at },
    },
  },
  verdict: {
    verifier: { id: 'https://sallyport.example.test/verifier' },
    timeVerified: at,
    resourceUri: placeUri(place),
    policy: { uri: 'sallyport:projects/shop/policy', digest: { sha256: 'c'.repeat(64) } },
    verificationResult: 'PASSED',
    verifiedLevels: ['SLSA_BUILD_LEVEL_2'],
    sallyport_gates: [{ name: 'provenance', result: 'pass' }],
  },
  cyclonedx: {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    components: [{ type: 'library', name: 'a', purl: 'pkg:npm/a@1.0.0' }],
  },
  testResult: { result: 'PASSED', configuration: [{ name: 'unit' }], passedTests: ['unit'] },
  run: {
    ...{ project: 'shop', service: 'orders', runId: 'run_1', attempt: 1 },
    ...{ repository: 'https://git.example.test/orders', ref: 'refs/heads/main', commit },
    ...{ trust: 'trusted', trigger: 'push', definitionDigest: someDigest, outcome: 'succeeded' },
    ...{ startedAt: at, finishedAt: at },
    steps: [
      {
        ...{ name: 'install', phase: 'build', outcome: 'succeeded', startedAt: at, finishedAt: at },
        ...{ exitCode: 0, logDigest: someDigest, isolation: { executor: 'bubblewrap' } },
        secrets: [{ name: 'TOKEN', ref: 'orders/api#token', version: 2 }],
        egress: { allowed: 72, denied: 0 },
      },
    ],
  },
  dependencies: {
    ...{ project: 'shop', service: 'orders', runId: 'run_1' },
    lockfiles: [{ path: 'package-lock.json', digest: someDigest }],
    ...{ locked: 72, fetched: 72, verified: 72, mismatches: 0, notInLock: 0, notFetched: 0 },
    ...{ complete: true, sbomMatchesFetched: true },
    findings: [{ kind: 'install-script', severity: 'low', subject: 'pkg:npm/a@1.0.0', message: 'has one' }],
  },
  source: {
    ...{ project: 'shop', repository: 'https://git.example.test/orders', ref: 'refs/heads/main', commit },
    ...{ signed: true, signer: 'ada@example.test', signatureFormat: 'ssh', committedAt: at },
  },
  approval: {
    ...{ ...place, promotionId: 'prm_1', decision: 'approved', at },
    person: { id: 'per_1', name: 'Ada', groups: ['release'] },
  },
  deployment: {
    ...{ ...place, revision: 3, sync: 'Synced', health: 'Healthy', at },
    agent: { id: 'agt_1', name: 'host-1' },
  },
  desiredState: {
    ...{ ...place, revision: 3, ociRepository: 'shop/orders', promotionId: 'prm_1', reason: 'promotion', at },
    verdict: someDigest,
    spec: { target: { type: 'process', port: 8080 } },
  },
};

export function statementOf<N extends PredicateName>(
  name: N,
  subject: Digest,
  changes: Partial<Predicates[N]> = {},
): Statement<object> {
  return {
    subject: { name: 'orders', digest: subject },
    predicateType: predicateTypes[name],
    predicate: { ...examples[name], ...changes },
  };
}
