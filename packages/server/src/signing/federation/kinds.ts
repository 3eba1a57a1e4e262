import type { issuerKinds } from '@sallyport/contract';

export type IssuerKind = (typeof issuerKinds)[number];

export interface KindFacts {
  /** A rule names all of one of these: ids that are never given to another owner. */
  readonly immutable: readonly (readonly string[])[];
  /** Names that somebody else can have after a rename or a deletion. */
  readonly reusable: readonly string[];
  /** Claims that all workloads of one owner share. */
  readonly ownerWide: readonly string[];
  /** Claims in whose value a `*` may stand, for any text within one segment. */
  readonly patterns: readonly string[];
  /** A rule with none of these holds for every branch. */
  readonly narrowing: readonly string[];
  /** The audience that issuer gives to whoever does not ask for one, so that others collect such tokens. */
  readonly sharedAudience: RegExp | undefined;
}

export const kindFacts: Readonly<Record<IssuerKind, KindFacts>> = {
  github: {
    immutable: [['repository_id']],
    reusable: ['repository', 'sub', 'workflow_ref', 'job_workflow_ref'],
    ownerWide: ['repository_owner', 'repository_owner_id', 'enterprise', 'enterprise_id'],
    patterns: ['ref', 'environment', 'job_workflow_ref', 'workflow_ref'],
    narrowing: ['ref', 'environment', 'job_workflow_ref', 'workflow_ref'],
    sharedAudience: /^https:\/\/github\.com\/[^/]+$/,
  },
  gitlab: {
    immutable: [['project_id']],
    reusable: ['project_path', 'sub', 'ci_config_ref_uri'],
    ownerWide: ['namespace_id', 'namespace_path', 'user_id', 'user_login'],
    patterns: ['ref', 'environment', 'ci_config_ref_uri'],
    narrowing: ['ref', 'environment', 'ref_protected', 'ci_config_ref_uri'],
    sharedAudience: /^https:\/\/gitlab\.com\/?$/,
  },
  buildkite: {
    immutable: [['pipeline_id']],
    reusable: ['pipeline_slug', 'sub'],
    ownerWide: ['organization_slug', 'organization_id', 'cluster_id'],
    patterns: ['build_branch', 'build_tag', 'step_key'],
    narrowing: ['build_branch', 'build_tag'],
    sharedAudience: /^https:\/\/buildkite\.com\/[^/]+$/,
  },
  circleci: {
    immutable: [['oidc.circleci.com/project-id']],
    reusable: ['sub', 'oidc.circleci.com/vcs-origin'],
    ownerWide: ['oidc.circleci.com/org-id', 'oidc.circleci.com/context-ids'],
    patterns: ['oidc.circleci.com/vcs-ref'],
    narrowing: ['oidc.circleci.com/vcs-ref', 'oidc.circleci.com/pipeline-definition-id'],
    sharedAudience: /^[0-9a-f-]{36}$/,
  },
  kubernetes: {
    immutable: [['kubernetes.io/serviceaccount/uid'], ['sub']],
    reusable: ['kubernetes.io/serviceaccount/name'],
    ownerWide: ['kubernetes.io/namespace'],
    patterns: [],
    narrowing: ['kubernetes.io/serviceaccount/uid', 'sub'],
    sharedAudience: /^(https:\/\/)?kubernetes\.default/,
  },
  sallyport: {
    immutable: [['project', 'service', 'step']],
    reusable: ['step', 'service'],
    ownerWide: ['project', 'environment', 'trust'],
    patterns: ['ref'],
    narrowing: ['ref', 'environment'],
    sharedAudience: undefined,
  },
  email: {
    immutable: [['email']],
    reusable: [],
    ownerWide: ['hd', 'groups'],
    patterns: [],
    narrowing: ['email'],
    sharedAudience: undefined,
  },
  uri: {
    immutable: [['sub']],
    reusable: [],
    ownerWide: ['azp', 'client_id', 'groups'],
    patterns: [],
    narrowing: ['sub'],
    sharedAudience: undefined,
  },
};
