import { type Static, Type } from 'typebox';
import { Definition } from './definition/model.ts';
import { Base64, Digest, HostPort, Id, Instant, Name, Text, TrustLevel } from './primitives.ts';

/**
 * The protocol between agent and server. The agent always calls; the server never reaches out. Every message about a
 * job carries the lease token (header `sallyport-lease`), which is a fencing token: after the lease was lost and given
 * to another, the late agent's messages are refused with `pipeline.lease_lost`.
 */

const closed = { additionalProperties: false } as const;

/** What the host can enforce, probed at start, and what was in force for one step (invariant 11). */
export const Isolation = Type.Object(
  {
    executor: Type.Literal('bubblewrap'),
    version: Text(40),
    namespaces: Type.Array(Text(20), { maxItems: 10 }),
    seccomp: Type.Boolean(),
    noNewPrivileges: Type.Boolean(),
    capabilitiesDropped: Type.Boolean(),
    nestedUserNamespaces: Type.Union([Type.Literal('blocked'), Type.Literal('allowed')]),
    memoryLimit: Type.Union([Type.Literal('cgroup'), Type.Literal('rlimit'), Type.Literal('none')]),
    processLimit: Type.Union([Type.Literal('cgroup'), Type.Literal('rlimit'), Type.Literal('none')]),
    cpuLimit: Type.Union([Type.Literal('cgroup'), Type.Literal('none')]),
    diskLimit: Type.Union([Type.Literal('watched'), Type.Literal('none')]),
  },
  closed,
);
export type Isolation = Static<typeof Isolation>;

/** Under this name the fetches of tools, made before the first step, are told with its report. No step is called so. */
export const toolsStep = 'tools';

/** One attempt of a step to reach the outside, allowed or denied, as the mirror or proxy saw it. */
export const EgressRecord = Type.Object(
  {
    at: Instant,
    step: Name,
    kind: Type.Union([
      Type.Literal('npm-metadata'),
      Type.Literal('npm-tarball'),
      Type.Literal('connect'),
      Type.Literal('oci-blob'),
    ]),
    decision: Type.Union([Type.Literal('allowed'), Type.Literal('denied')]),
    /** Stable code of the refusal: `egress.integrity_mismatch`, `egress.too_young`, `egress.not_in_lock`, … */
    reason: Type.Optional(Text(100)),
    /** What was asked for: a purl for packages, `host:port` for connections. */
    uri: Text(1000),
    name: Type.Optional(Text(300)),
    version: Type.Optional(Text(100)),
    sha256: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
    sha512: Type.Optional(Type.String({ pattern: '^[0-9a-f]{128}$' })),
    sizeBytes: Type.Optional(Type.Integer({ minimum: 0 })),
    lock: Type.Union([
      Type.Literal('match'),
      Type.Literal('mismatch'),
      Type.Literal('absent'),
      Type.Literal('not-applicable'),
    ]),
    publishedAt: Type.Optional(Instant),
    cache: Type.Union([Type.Literal('hit'), Type.Literal('miss'), Type.Literal('none')]),
    hasInstallScript: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type EgressRecord = Static<typeof EgressRecord>;

export const AgentHello = Type.Object(
  {
    name: Name,
    version: Text(40),
    isolation: Isolation,
    /** `project/environment` names this agent deploys to; empty for an agent that only builds. */
    environments: Type.Array(Text(130), { maxItems: 100 }),
  },
  closed,
);
export type AgentHello = Static<typeof AgentHello>;

export const AgentWelcome = Type.Object(
  {
    agentId: Id,
    /** The signed trust root document (docs/formats/trust-root.md), exactly as the bytes to pin. */
    trustRoot: Text(65_536),
    leaseSeconds: Type.Integer({ minimum: 1, maximum: 3600 }),
  },
  closed,
);
export type AgentWelcome = Static<typeof AgentWelcome>;

export const StepPhase = Type.Union([Type.Literal('build'), Type.Literal('verify')]);
export type StepPhase = Static<typeof StepPhase>;

/** All that one attempt at a run's build may do. */
export const JobGrant = Type.Object(
  {
    runId: Id,
    attempt: Type.Integer({ minimum: 1 }),
    leaseToken: Text(200),
    leaseSeconds: Type.Integer({ minimum: 1 }),
    trust: TrustLevel,
    project: Name,
    service: Name,
    repository: Text(200),
    commit: Type.String({ pattern: '^[0-9a-f]{40}([0-9a-f]{24})?$' }),
    ref: Text(300),
    /** Seconds since 1970 of the commit: the only time that reaches an artifact (SOURCE_DATE_EPOCH). */
    commitEpochSeconds: Type.Integer({ minimum: 0 }),
    definition: Definition,
    /** `GET /api/agent/jobs/{runId}/source` gives a tar of the commit's tree with this digest. */
    sourceDigest: Digest,
    /** Where the artifact is pushed: `project/service`, under /v2/. */
    ociRepository: Text(200),
  },
  closed,
);
export type JobGrant = Static<typeof JobGrant>;

export const SecretGrant = Type.Object(
  {
    name: Text(100),
    delivery: Type.Union([Type.Literal('env'), Type.Literal('file')]),
    value: Base64(65_536),
    path: Text(400),
    version: Type.Integer({ minimum: 1 }),
  },
  closed,
);
export type SecretGrant = Static<typeof SecretGrant>;

/** What one step holds; ends with the step. Given once per attempt and step. */
export const StepGrant = Type.Object(
  {
    /** JWT of Sallyport's own issuer; absent for an untrusted run. */
    identityToken: Type.Optional(Text(8192)),
    secrets: Type.Array(SecretGrant, { maxItems: 100 }),
    egress: Type.Array(HostPort, { maxItems: 50 }),
    expiresAt: Instant,
  },
  closed,
);
export type StepGrant = Static<typeof StepGrant>;

export const StepOutcome = Type.Union([
  Type.Literal('succeeded'),
  Type.Literal('failed'),
  Type.Literal('timed_out'),
  Type.Literal('limit_exceeded'),
  Type.Literal('refused'),
]);
export type StepOutcome = Static<typeof StepOutcome>;

export const StepReport = Type.Object(
  {
    outcome: StepOutcome,
    exitCode: Type.Optional(Type.Integer()),
    /** For people: why it did not succeed, and what to do. */
    reason: Type.Optional(Text(1000)),
    startedAt: Instant,
    finishedAt: Instant,
    logDigest: Digest,
    logBytes: Type.Integer({ minimum: 0 }),
    logTruncated: Type.Boolean(),
    egress: Type.Array(EgressRecord, { maxItems: 20_000 }),
    isolation: Isolation,
  },
  closed,
);
export type StepReport = Static<typeof StepReport>;

/** A thing that went into the artifact and was fetched or taken from the host, with its digest. */
export const Material = Type.Object(
  {
    uri: Text(1000),
    name: Type.Optional(Text(300)),
    digest: Type.Record(Text(20), Text(130)),
    kind: Type.Union([
      Type.Literal('source'),
      Type.Literal('base'),
      Type.Literal('tool'),
      Type.Literal('runtime'),
      Type.Literal('host-library'),
      Type.Literal('host-system'),
    ]),
  },
  closed,
);
export type Material = Static<typeof Material>;

export const JobReport = Type.Object(
  {
    /** Of the agent that built; goes into the provenance. */
    agentVersion: Type.Optional(Text(40)),
    outcome: Type.Union([Type.Literal('succeeded'), Type.Literal('failed')]),
    reason: Type.Optional(Text(1000)),
    image: Type.Optional(Type.Object({ digest: Digest, sizeBytes: Type.Integer({ minimum: 0 }) }, closed)),
    materials: Type.Array(Material, { maxItems: 5000 }),
  },
  closed,
);
export type JobReport = Static<typeof JobReport>;

/** A Sigstore bundle v0.3, as JSON text, so that its bytes are passed on untouched. */
export const BundleText = Type.String({ maxLength: 4_194_304 });

/** What an environment shall run. `statement` is signed and logged; everything else here is checked against it. */
export const DesiredState = Type.Object(
  {
    project: Name,
    environment: Name,
    service: Name,
    revision: Type.Integer({ minimum: 1 }),
    digest: Digest,
    ociRepository: Text(200),
    /** Bundle over the desired-state statement (docs/formats/statements.md). */
    statement: BundleText,
    /** Bundle over the verdict (SLSA VSA) the promotion rests on. */
    verdict: BundleText,
    /** Bundles over the provenance the verdict rests on: by them an agent knows, offline, who built the image. */
    provenance: Type.Optional(Type.Array(BundleText, { maxItems: 8 })),
  },
  closed,
);
export type DesiredState = Static<typeof DesiredState>;

/** What an agent pulls: the desired states of its environments, and what was withdrawn. */
export const DesiredPage = Type.Object(
  {
    /** Passed as `after`, it is answered when something has changed. */
    cursor: Text(100),
    /** Bundle over the newest revocation list (docs/formats/revocations.md). */
    revocations: BundleText,
    deployments: Type.Array(DesiredState),
  },
  closed,
);
export type DesiredPage = Static<typeof DesiredPage>;

export const DriftFinding = Type.Object(
  {
    kind: Type.Union([
      Type.Literal('file-changed'),
      Type.Literal('file-missing'),
      Type.Literal('file-added'),
      Type.Literal('wrong-digest'),
      Type.Literal('process-dead'),
      Type.Literal('process-foreign'),
      Type.Literal('port-taken'),
    ]),
    path: Type.Optional(Text(1000)),
    expected: Text(300),
    found: Text(300),
    at: Instant,
    corrected: Type.Boolean(),
  },
  closed,
);
export type DriftFinding = Static<typeof DriftFinding>;

export const SyncStatus = Type.Union([
  Type.Literal('Synced'),
  Type.Literal('OutOfSync'),
  Type.Literal('Unknown'),
]);
export type SyncStatus = Static<typeof SyncStatus>;
export const HealthStatus = Type.Union([
  Type.Literal('Healthy'),
  Type.Literal('Progressing'),
  Type.Literal('Degraded'),
  Type.Literal('Missing'),
  Type.Literal('Unknown'),
]);
export type HealthStatus = Static<typeof HealthStatus>;

export const DeployReport = Type.Object(
  {
    project: Name,
    environment: Name,
    service: Name,
    revision: Type.Integer({ minimum: 0 }),
    /** The digest that runs now, absent when nothing does. */
    digest: Type.Optional(Digest),
    sync: SyncStatus,
    health: HealthStatus,
    /** Why the desired revision is not running, when it is not: a fault code and a sentence. */
    refusal: Type.Optional(Type.Object({ code: Text(100), message: Text(1000) }, closed)),
    findings: Type.Array(DriftFinding, { maxItems: 200 }),
    restarts: Type.Integer({ minimum: 0 }),
    address: Type.Optional(Text(200)),
    observedAt: Instant,
  },
  closed,
);
export type DeployReport = Static<typeof DeployReport>;
