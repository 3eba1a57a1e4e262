/** What statements can say: the predicate types this version knows, by the name used in code. */
export const predicateTypes = {
  provenance: 'https://slsa.dev/provenance/v1',
  verdict: 'https://slsa.dev/verification_summary/v1',
  cyclonedx: 'https://cyclonedx.org/bom',
  testResult: 'https://in-toto.io/attestation/test-result/v0.1',
  spdx: 'https://spdx.dev/Document',
  spdx2: 'https://spdx.dev/Document/v2.3',
  spdx3: 'https://spdx.dev/Document/v3',
  vulns: 'https://in-toto.io/attestation/vulns/v0.2',
  release: 'https://in-toto.io/attestation/release/v0.1',
  runtimeTrace: 'https://in-toto.io/attestation/runtime-trace/v0.1',
  run: 'https://sallyport.dev/attestation/run/v1',
  dependencies: 'https://sallyport.dev/attestation/dependencies/v1',
  source: 'https://sallyport.dev/attestation/source/v1',
  approval: 'https://sallyport.dev/attestation/approval/v1',
  deployment: 'https://sallyport.dev/attestation/deployment/v1',
  desiredState: 'https://sallyport.dev/attestation/desired-state/v1',
  revocations: 'https://sallyport.dev/attestation/revocations/v1',
} as const;

/** A service in an environment: what a verdict is about and what a desired state changes. */
export interface Place {
  readonly project: string;
  readonly environment: string;
  readonly service: string;
}
