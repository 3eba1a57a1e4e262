import { type Static, Type } from 'typebox';
import { StepPhase } from './agent.ts';
import { Digest, Id, Instant, Name, Text, TrustLevel } from './primitives.ts';

/** Repositories and runs as the native API shows and takes them: /api/projects/{project}/{repositories,runs}. */

const closed = { additionalProperties: false } as const;
const Optional = Type.Optional;
const Commit = Type.String({ pattern: '^[0-9a-f]{40}([0-9a-f]{24})?$' });
const Keys = Type.String({ maxLength: 1_048_576 });

export const WebhookProvider = Type.Union([
  Type.Literal('github'),
  Type.Literal('gitlab'),
  Type.Literal('gitea'),
]);
export type WebhookProvider = Static<typeof WebhookProvider>;

const settings = {
  /** `main` or `refs/heads/main`: definitions are read from it, and only what is on it is trusted. */
  protectedBranch: Optional(Text(255)),
  /** More refs whose pushes start trusted runs, with `*`: `refs/tags/v*`. */
  protectedRefs: Optional(Type.Array(Text(255), { maxItems: 50 })),
  definitionPath: Optional(Text(400)),
  /** An allowed signers file as ssh-keygen reads it. */
  allowedSigners: Optional(Keys),
  /** Armoured public keys. */
  openPgpKeys: Optional(Keys),
  revoked: Optional(Keys),
  /** 0: never by itself. */
  pollSeconds: Optional(Type.Integer({ minimum: 0, maximum: 86_400 })),
  webhook: Optional(WebhookProvider),
  /** Goes in, never comes out. */
  webhookSecret: Optional(Type.String({ minLength: 16, maxLength: 400 })),
};

export const NewRepository = Type.Object({ name: Name, source: Text(1000), ...settings }, closed);
export type NewRepository = Static<typeof NewRepository>;
export const RepositoryChange = Type.Object({ source: Optional(Text(1000)), ...settings }, closed);
export type RepositoryChange = Static<typeof RepositoryChange>;

export const RepositoryView = Type.Object(
  {
    id: Id,
    project: Name,
    name: Name,
    source: Text(1000),
    protectedBranch: Text(255),
    protectedRefs: Type.Array(Text(255)),
    definitionPath: Text(4096),
    allowedSigners: Keys,
    openPgpKeys: Keys,
    revoked: Keys,
    pollSeconds: Type.Integer(),
    /** Where the forge posts to: `/api/webhooks/{webhook}/{id}`. */
    webhook: Optional(WebhookProvider),
    polledAt: Optional(Instant),
    pollError: Optional(Text(1000)),
    createdAt: Instant,
  },
  closed,
);
export type RepositoryView = Static<typeof RepositoryView>;
export const RepositoryList = Type.Object({ repositories: Type.Array(RepositoryView) }, closed);

export const RunRequest = Type.Object(
  {
    repository: Name,
    /** Default: the protected branch. */
    ref: Optional(Text(255)),
    /** A commit in the history of the ref; default its tip. */
    commit: Optional(Commit),
  },
  closed,
);
export type RunRequest = Static<typeof RunRequest>;
export const CancelRequest = Type.Object({ reason: Type.String({ minLength: 1, maxLength: 400 }) }, closed);

const PersonView = Type.Object({ name: Text(200), email: Text(320) }, closed);
export const SignatureView = Type.Object(
  {
    /** valid, unsigned, invalid, unknown_key, expired, revoked, not_allowed, unsupported */
    status: Text(20),
    scheme: Optional(Text(20)),
    key: Optional(Text(200)),
    signer: Optional(Text(320)),
    reason: Optional(Text(1000)),
  },
  closed,
);
export type SignatureView = Static<typeof SignatureView>;

export const RunStepView = Type.Object(
  {
    attempt: Type.Integer({ minimum: 1 }),
    name: Name,
    phase: StepPhase,
    /** pending, granted, succeeded, failed, timed_out, limit_exceeded, refused, skipped, lost */
    status: Text(20),
    reason: Optional(Text(1000)),
    exitCode: Optional(Type.Integer()),
    startedAt: Optional(Instant),
    finishedAt: Optional(Instant),
    logDigest: Optional(Digest),
    logBytes: Optional(Type.Integer()),
    logTruncated: Optional(Type.Boolean()),
  },
  closed,
);
export type RunStepView = Static<typeof RunStepView>;

export const RunView = Type.Object(
  {
    id: Id,
    project: Name,
    service: Name,
    repository: Name,
    trigger: Text(20),
    startedBy: Text(200),
    ref: Text(300),
    commit: Commit,
    subject: Text(200),
    author: PersonView,
    committer: PersonView,
    trust: TrustLevel,
    signature: SignatureView,
    tagSignature: Optional(SignatureView),
    definitionDigest: Optional(Digest),
    definitionCommit: Optional(Commit),
    sourceDigest: Optional(Digest),
    /** queued, building, built, examined, attested, released, succeeded, failed, cancelled */
    state: Text(20),
    attempt: Type.Integer({ minimum: 0 }),
    maxAttempts: Type.Integer({ minimum: 1 }),
    reason: Optional(Text(8000)),
    image: Optional(Digest),
    createdAt: Instant,
    updatedAt: Instant,
  },
  closed,
);
export type RunView = Static<typeof RunView>;
export const RunList = Type.Object({ runs: Type.Array(RunView), next: Optional(Id) }, closed);
export const RunDetail = Type.Object({ run: RunView, steps: Type.Array(RunStepView) }, closed);
export type RunDetail = Static<typeof RunDetail>;
