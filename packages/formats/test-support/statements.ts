import {
  buildType,
  type Digest,
  digestOf,
  type PredicateName,
  type Predicates,
  placeUri,
  predicateTypes,
  type Revocation,
  type RevocationTarget,
  type Statement,
  utf8,
} from '../src/index.ts';

export const place = { project: 'shop', environment: 'prod', service: 'orders' } as const;
const at = '2026-11-20T10:00:00Z';
const commit = 'a'.repeat(40);
const someDigest: Digest = digestOf(utf8('something'));
const later = '2026-11-21T10:00:00Z';

const base = (id: string) => ({ id, reason: 'it leaked', by: { id: 'per_1', name: 'Ada' }, at });
const revocation = (id: string, target: RevocationTarget): Revocation => ({
  ...base(id),
  target,
  from: 'all',
});

// After the examples of the in-toto attestation framework (spec/predicates) and of SPDX 2.3 (clause 6 and 7).
const spdx2: Predicates['spdx2'] = {
  ...{ spdxVersion: 'SPDX-2.3', SPDXID: 'SPDXRef-DOCUMENT', dataLicense: 'CC0-1.0', name: 'orders' },
  documentNamespace: 'https://git.example.test/spdx/orders-1',
  creationInfo: { created: at, creators: ['Tool: example-1.0'] },
  packages: [{ SPDXID: 'SPDXRef-Package-a', name: 'a', downloadLocation: 'NOASSERTION' }],
};
const spdx3: Predicates['spdx3'] = {
  '@context': 'https://spdx.org/rdf/3.0.1/spdx-context.jsonld',
  '@graph': [{ type: 'SpdxDocument', spdxId: 'https://git.example.test/spdx/orders-1' }],
};

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
  spdx: spdx2,
  spdx2,
  spdx3,
  vulns: {
    scanner: {
      ...{ uri: 'pkg:github/example/scanner@1.0.0', version: '1.0.0' },
      db: { uri: 'pkg:github/example/db@1', version: 'v1', lastUpdate: at },
      result: [
        {
          ...{ id: 'GHSA-fxph-q3j8-mv87', annotations: [{ package: 'log4j' }] },
          severity: [{ method: 'cvss_score', score: '9.8' }],
        },
      ],
    },
    metadata: { scanStartedOn: at, scanFinishedOn: at },
  },
  release: { purl: 'pkg:npm/@angular/http@7.2.16', packageId: '1234567890' },
  runtimeTrace: {
    monitor: {
      type: 'https://monitor.example.test/v1',
      configSource: { uri: 'https://git.example.test/monitor' },
      tracePolicy: { follow: 'all' },
    },
    monitoredProcess: {
      hostID: 'https://host.example.test',
      type: 'https://build.example.test/v1',
      event: 'build',
    },
    monitorLog: {
      process: [{ pid: 1 }],
      network: [{ host: 'registry.example.test' }],
      fileAccess: [{ uri: 'file:///src/a', digest: { sha256: 'b'.repeat(64) } }],
    },
    metadata: { buildStartedOn: at, buildFinishedOn: at },
  },
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
  revocations: {
    ...{ installation: 'example', sequence: 2, issuedAt: at, nextUpdate: later },
    entries: [
      revocation('rev_1', { kind: 'digest', digest: someDigest }),
      revocation('rev_2', { kind: 'builder', builder: 'https://sallyport.example.test/builder' }),
      revocation('rev_3', { kind: 'certificate', fingerprint: 'ab'.repeat(32) }),
      {
        ...revocation('rev_4', { kind: 'serial', serial: '1f', issuerKey: 'cd'.repeat(32) }),
        from: { at, logIndex: 7 },
      },
      revocation('rev_5', {
        ...{ kind: 'identity', subject: 'https://git.example.test/orders//ci.yaml@refs/heads/main' },
        issuer: 'https://issuer.example.test',
      }),
      { ...base('rev_6'), restores: 'rev_2', from: { at, logIndex: 9 } },
    ],
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
