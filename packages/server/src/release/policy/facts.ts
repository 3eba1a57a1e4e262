/**
 * What a gate sees: typed facts, each taken from one verified statement (or, for `environment`, `expected` and
 * `previous`, from the protected definition and the control plane's own state). The table is the single source: the
 * CEL environment, the TypeScript types and the documentation are made from it.
 *
 * `evidence` in a fact is the digest of the bundle it was taken from, so a verdict can name what it rests on.
 */
export const factShapes = {
  Provenance: {
    evidence: 'string',
    builder: 'string',
    project: 'string',
    service: 'string',
    repository: 'string',
    ref: 'string',
    commit: 'string',
    trust: 'string',
    runId: 'string',
    parametersComplete: 'bool',
    isolation: 'strings',
    resolvedDependencies: 'int',
  },
  Step: { name: 'string', phase: 'string', outcome: 'string' },
  Run: { evidence: 'string', runId: 'string', outcome: 'string', trust: 'string', steps: 'Step[]' },
  Test: { evidence: 'string', runId: 'string', name: 'string', passed: 'bool' },
  Sbom: { evidence: 'string', components: 'int' },
  Finding: { kind: 'string', severity: 'string', subject: 'string', message: 'string' },
  Dependencies: {
    evidence: 'string',
    runId: 'string',
    locked: 'int',
    fetched: 'int',
    verified: 'int',
    mismatches: 'int',
    notInLock: 'int',
    notFetched: 'int',
    complete: 'bool',
    sbomMatchesFetched: 'bool',
    findings: 'Finding[]',
  },
  Source: {
    evidence: 'string',
    repository: 'string',
    ref: 'string',
    commit: 'string',
    signed: 'bool',
    signer: 'string',
  },
  Approval: {
    evidence: 'string',
    person: 'string',
    groups: 'strings',
    project: 'string',
    service: 'string',
    environment: 'string',
    at: 'time',
  },
  Deployment: {
    evidence: 'string',
    project: 'string',
    service: 'string',
    environment: 'string',
    revision: 'int',
    health: 'string',
    at: 'time',
  },
  Subject: { digest: 'string' },
  Environment: { name: 'string', previous: 'string' },
  Expected: {
    builder: 'string',
    repository: 'string',
    refs: 'strings',
    tests: 'strings',
    lockfiles: 'int',
    author: 'string',
    /** The author and everybody who signed the commit. */
    authors: 'strings',
    promoter: 'string',
  },
  /** How long this digest has been healthy in the environment before this one; from the agents' reports. */
  Previous: { healthy: 'bool', healthySeconds: 'int' },
} as const;

type Shapes = typeof factShapes;
export type FactName = keyof Shapes;
type Value<T> = T extends 'string'
  ? string
  : T extends 'bool'
    ? boolean
    : T extends 'int'
      ? bigint
      : T extends 'time'
        ? Date
        : T extends 'strings'
          ? readonly string[]
          : T extends `${infer Name extends FactName}[]`
            ? readonly Fact<Name>[]
            : never;
export type Fact<K extends FactName> = { readonly [F in keyof Shapes[K]]: Value<Shapes[K][F]> };

/** The variables that hold evidence. A gate may only ask that something in them exists (monotone.ts says why). */
export const evidenceVariables = {
  provenance: 'Provenance',
  runs: 'Run',
  tests: 'Test',
  sboms: 'Sbom',
  dependencies: 'Dependencies',
  sources: 'Source',
  approvals: 'Approval',
  deployments: 'Deployment',
} as const satisfies Record<string, FactName>;
export type EvidenceVariable = keyof typeof evidenceVariables;

export type EvidenceFacts = {
  readonly [V in EvidenceVariable]: readonly Fact<(typeof evidenceVariables)[V]>[];
};

/** What is compared with the evidence. None of it can be removed by whoever controls evidence. */
export interface Circumstances {
  readonly now: Date;
  readonly project: string;
  readonly service: string;
  readonly subject: Fact<'Subject'>;
  readonly environment: Fact<'Environment'>;
  readonly expected: Fact<'Expected'>;
  readonly previous: Fact<'Previous'>;
}

export type GateInput = EvidenceFacts & Circumstances;

export const noEvidence: EvidenceFacts = {
  provenance: [],
  runs: [],
  tests: [],
  sboms: [],
  dependencies: [],
  sources: [],
  approvals: [],
  deployments: [],
};
