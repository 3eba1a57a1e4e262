import { Fault } from '@sallyport/formats';
import { type Claims, claimOf, findClaim } from './claims.ts';
import type { IssuerKind } from './kinds.ts';
import type { Principal } from './principal.ts';

type Said = Pick<Principal, 'challenge' | 'name' | 'extensions'>;
type Pairs = readonly (readonly [arc: number, value: string | undefined])[];

/** Last arcs under 1.3.6.1.4.1.57264.1, as fulcio/docs/oid-info.md numbers them. */
const arcs = {
  buildSignerUri: 9,
  buildSignerDigest: 10,
  runnerEnvironment: 11,
  sourceRepositoryUri: 12,
  sourceRepositoryDigest: 13,
  sourceRepositoryRef: 14,
  sourceRepositoryId: 15,
  sourceOwnerUri: 16,
  sourceOwnerId: 17,
  buildConfigUri: 18,
  buildConfigDigest: 19,
  buildTrigger: 20,
  runInvocationUri: 21,
  sourceVisibility: 22,
  deploymentEnvironment: 23,
  tokenSubject: 24,
} as const;

/**
 * What a verified token says, by the kind of its issuer. The pairs are those of fulcio's identity configuration, so
 * that a policy written for the public Sigstore reads our certificates. Throws `signing.claim_missing`.
 */
export function saidBy(kind: IssuerKind, claims: Claims, issuer: string, webUrl: string | undefined): Said {
  const url = (webUrl ?? webUrls[kind] ?? issuer).replace(/\/$/, '');
  const must = (name: string) => claimOf(claims, name);
  const may = (name: string) => findClaim(claims, name);
  switch (kind) {
    case 'github':
      return github(must, may, url);
    case 'gitlab':
      return gitlab(must, may, url);
    case 'buildkite':
      return buildkite(must, may, url);
    case 'circleci':
      return circleci(must, may, url);
    case 'kubernetes': {
      const namespace = must('kubernetes.io/namespace');
      const account = must('kubernetes.io/serviceaccount/name');
      return uri(must('sub'), `https://kubernetes.io/namespaces/${namespace}/serviceaccounts/${account}`, [
        [arcs.tokenSubject, must('sub')],
      ]);
    }
    case 'sallyport':
      return ownStep(must, issuer.replace(/\/$/, ''));
    case 'email':
      return email(claims);
    case 'uri':
      return uri(must('sub'), must('sub'), [[arcs.tokenSubject, must('sub')]]);
  }
}

const webUrls: Partial<Record<IssuerKind, string>> = {
  github: 'https://github.com',
  gitlab: 'https://gitlab.com',
  buildkite: 'https://buildkite.com',
  circleci: 'https://circleci.com',
};

type Must = (name: string) => string;
type May = (name: string) => string | undefined;

function github(must: Must, may: May, url: string): Said {
  return uri(must('sub'), `${url}/${must('job_workflow_ref')}`, [
    // The oldest five, as raw text; policies of the first years still ask for them.
    [2, must('event_name')],
    [3, must('sha')],
    [4, may('workflow')],
    [5, must('repository')],
    [6, must('ref')],
    [arcs.buildSignerUri, `${url}/${must('job_workflow_ref')}`],
    [arcs.buildSignerDigest, must('job_workflow_sha')],
    [arcs.runnerEnvironment, must('runner_environment')],
    [arcs.sourceRepositoryUri, `${url}/${must('repository')}`],
    [arcs.sourceRepositoryDigest, must('sha')],
    [arcs.sourceRepositoryRef, must('ref')],
    [arcs.sourceRepositoryId, must('repository_id')],
    [arcs.sourceOwnerUri, `${url}/${must('repository_owner')}`],
    [arcs.sourceOwnerId, must('repository_owner_id')],
    [arcs.buildConfigUri, `${url}/${must('workflow_ref')}`],
    [arcs.buildConfigDigest, must('workflow_sha')],
    [arcs.buildTrigger, must('event_name')],
    [
      arcs.runInvocationUri,
      `${url}/${must('repository')}/actions/runs/${must('run_id')}/attempts/${must('run_attempt')}`,
    ],
    [arcs.sourceVisibility, may('repository_visibility')],
    [arcs.deploymentEnvironment, may('environment')],
    [arcs.tokenSubject, must('sub')],
  ]);
}

function gitlab(must: Must, may: May, url: string): Said {
  const config = `https://${must('ci_config_ref_uri')}`;
  const refs = must('ref_type') === 'branch' ? 'refs/heads' : 'refs/tags';
  return uri(must('sub'), config, [
    [arcs.buildSignerUri, config],
    [arcs.buildSignerDigest, may('ci_config_sha')],
    [arcs.runnerEnvironment, must('runner_environment')],
    [arcs.sourceRepositoryUri, `${url}/${must('project_path')}`],
    [arcs.sourceRepositoryDigest, must('sha')],
    [arcs.sourceRepositoryRef, `${refs}/${must('ref')}`],
    [arcs.sourceRepositoryId, must('project_id')],
    [arcs.sourceOwnerUri, `${url}/${must('namespace_path')}`],
    [arcs.sourceOwnerId, must('namespace_id')],
    [arcs.buildConfigUri, config],
    [arcs.buildConfigDigest, may('ci_config_sha')],
    [arcs.buildTrigger, must('pipeline_source')],
    [arcs.runInvocationUri, `${url}/${must('project_path')}/-/jobs/${must('job_id')}`],
    [arcs.sourceVisibility, may('project_visibility')],
    [arcs.deploymentEnvironment, may('environment')],
    [arcs.tokenSubject, must('sub')],
  ]);
}

function buildkite(must: Must, may: May, url: string): Said {
  const pipeline = `${url}/${must('organization_slug')}/${must('pipeline_slug')}`;
  return uri(must('sub'), pipeline, [
    [arcs.runnerEnvironment, may('runner_environment')],
    [arcs.sourceRepositoryDigest, must('build_commit')],
    [arcs.buildTrigger, may('build_source')],
    [arcs.runInvocationUri, `${pipeline}/builds/${must('build_number')}#${must('job_id')}`],
    [arcs.tokenSubject, must('sub')],
  ]);
}

function circleci(must: Must, may: May, url: string): Said {
  const own = (name: string) => must(`oidc.circleci.com/${name}`);
  const api = `${url}/api/v2`;
  const definition = `${api}/projects/${own('project-id')}/pipeline-definitions/${own('pipeline-definition-id')}`;
  return uri(must('sub'), definition, [
    [arcs.buildSignerUri, definition],
    [arcs.runnerEnvironment, may('oidc.circleci.com/ssh-rerun') === 'true' ? 'ssh-rerun' : undefined],
    [arcs.sourceRepositoryUri, may('oidc.circleci.com/vcs-origin')],
    [arcs.sourceRepositoryRef, may('oidc.circleci.com/vcs-ref')],
    [arcs.buildConfigUri, `${api}/pipeline/${own('pipeline-id')}/config`],
    [
      arcs.runInvocationUri,
      `${url.replace('://', '://app.')}/workflow/${own('workflow-id')}/job/${own('job-id')}`,
    ],
    [arcs.tokenSubject, must('sub')],
  ]);
}

function ownStep(must: Must, issuer: string): Said {
  const service = `${issuer}/projects/${must('project')}/services/${must('service')}`;
  const step = `${service}/environments/${must('environment')}/steps/${must('step')}`;
  return uri(must('sub'), step, [
    [arcs.buildSignerUri, step],
    [arcs.runnerEnvironment, 'self-hosted'],
    [arcs.sourceRepositoryDigest, must('source_sha')],
    [arcs.sourceRepositoryRef, must('ref')],
    [arcs.runInvocationUri, `${service}/runs/${must('run_id')}`],
    [arcs.deploymentEnvironment, must('environment')],
    [arcs.tokenSubject, must('sub')],
  ]);
}

const emailPattern =
  /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;

/** An address the issuer did not verify is what its holder typed: anybody's. */
function email(claims: Claims): Said {
  const address = claimOf(claims, 'email');
  if (claims['email_verified'] !== true || !emailPattern.test(address)) {
    throw new Fault(
      'invalid',
      'signing.email_unverified',
      'expected an address that the issuer verified, got one that it did not',
    );
  }
  return { challenge: address, name: { kind: 'email', value: address }, extensions: new Map() };
}

function uri(challenge: string, value: string, pairs: Pairs): Said {
  // RFC 5280 section 4.2.1.6: an absolute URI in ASCII. A second name cannot hide behind a space or a line break.
  if (!URL.canParse(value) || !/^[a-z][a-z0-9+.-]*:[\x21-\x7e]+$/.test(value) || value.length > 2048) {
    throw new Fault(
      'invalid',
      'signing.name_invalid',
      'expected an absolute URI as the name of the workload',
    );
  }
  const extensions = new Map<number, string>();
  for (const [arc, text] of pairs) if (text !== undefined && text !== '') extensions.set(arc, text);
  return { challenge, name: { kind: 'uri', value }, extensions };
}
