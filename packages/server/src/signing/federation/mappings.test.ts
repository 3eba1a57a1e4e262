import { describe, expect, it } from 'vitest';
import type { Claims } from './claims.ts';
import type { IssuerKind } from './kinds.ts';
import { saidBy } from './mappings.ts';

/** Claims as the providers document them; the expected texts follow fulcio's config/identity/config.yaml. */
const said = (kind: IssuerKind, claims: Claims, webUrl?: string) => {
  const { name, challenge, extensions } = saidBy(kind, claims, 'https://issuer.test', webUrl);
  return { name: `${name.kind} ${name.value}`, challenge, extensions: Object.fromEntries(extensions) };
};

const gitlab = {
  sub: 'project_path:acme/shop:ref_type:branch:ref:main',
  ci_config_ref_uri: 'gitlab.com/acme/shop//.gitlab-ci.yml@refs/heads/main',
  ci_config_sha: 'c0ffee',
  runner_environment: 'gitlab-hosted',
  project_path: 'acme/shop',
  project_id: '20',
  project_visibility: 'public',
  namespace_path: 'acme',
  namespace_id: 72,
  sha: 'abc',
  ref: 'main',
  ref_type: 'branch',
  pipeline_source: 'push',
  job_id: '302',
  environment: 'production',
};

describe('what a certificate says of', () => {
  it('a GitLab job', () => {
    expect(said('gitlab', gitlab)).toEqual({
      name: 'uri https://gitlab.com/acme/shop//.gitlab-ci.yml@refs/heads/main',
      challenge: gitlab.sub,
      extensions: {
        9: 'https://gitlab.com/acme/shop//.gitlab-ci.yml@refs/heads/main',
        10: 'c0ffee',
        11: 'gitlab-hosted',
        12: 'https://gitlab.com/acme/shop',
        13: 'abc',
        14: 'refs/heads/main',
        15: '20',
        16: 'https://gitlab.com/acme',
        17: '72',
        18: 'https://gitlab.com/acme/shop//.gitlab-ci.yml@refs/heads/main',
        19: 'c0ffee',
        20: 'push',
        21: 'https://gitlab.com/acme/shop/-/jobs/302',
        22: 'public',
        23: 'production',
        24: gitlab.sub,
      },
    });
    expect(said('gitlab', { ...gitlab, ref_type: 'tag', ref: 'v1' }).extensions).toMatchObject({
      14: 'refs/tags/v1',
    });
    expect(said('gitlab', gitlab, 'https://git.acme.test/').extensions).toMatchObject({
      12: 'https://git.acme.test/acme/shop',
    });
  });

  it('a Buildkite job', () => {
    const claims = {
      sub: 'organization:acme:pipeline:shop:ref:refs/heads/main:commit:abc:step:sign',
      organization_slug: 'acme',
      pipeline_slug: 'shop',
      build_number: 1,
      build_commit: 'abc',
      build_source: 'webhook',
      job_id: '0184990a',
      runner_environment: 'self-hosted',
    };

    expect(said('buildkite', claims)).toMatchObject({
      name: 'uri https://buildkite.com/acme/shop',
      extensions: {
        11: 'self-hosted',
        13: 'abc',
        20: 'webhook',
        21: 'https://buildkite.com/acme/shop/builds/1#0184990a',
      },
    });
  });

  it('a CircleCI job', () => {
    const own = (name: string) => `oidc.circleci.com/${name}`;
    const claims = {
      sub: 'org/1/project/2/user/3',
      [own('project-id')]: '2',
      [own('pipeline-definition-id')]: '4',
      [own('pipeline-id')]: '5',
      [own('workflow-id')]: '6',
      [own('job-id')]: '7',
      [own('ssh-rerun')]: false,
      [own('vcs-origin')]: 'github.com/acme/shop',
      [own('vcs-ref')]: 'refs/heads/main',
    };
    const definition = 'https://circleci.com/api/v2/projects/2/pipeline-definitions/4';

    expect(said('circleci', claims)).toMatchObject({
      name: `uri ${definition}`,
      extensions: {
        9: definition,
        12: 'github.com/acme/shop',
        14: 'refs/heads/main',
        18: 'https://circleci.com/api/v2/pipeline/5/config',
        21: 'https://app.circleci.com/workflow/6/job/7',
      },
    });
    expect(said('circleci', { ...claims, [own('ssh-rerun')]: true }).extensions).toMatchObject({
      11: 'ssh-rerun',
    });
  });

  it('a Kubernetes service account', () => {
    const claims = {
      sub: 'system:serviceaccount:ci:signer',
      'kubernetes.io': { namespace: 'ci', serviceaccount: { name: 'signer', uid: 'u-1' } },
    };

    expect(said('kubernetes', claims)).toEqual({
      name: 'uri https://kubernetes.io/namespaces/ci/serviceaccounts/signer',
      challenge: claims.sub,
      extensions: { 24: claims.sub },
    });
  });

  it('a person, whose address the issuer verified', () => {
    const claims = { sub: '1', email: 'ada@acme.test', email_verified: true };

    expect(said('email', claims)).toEqual({
      name: 'email ada@acme.test',
      challenge: 'ada@acme.test',
      extensions: {},
    });
    for (const over of [
      { email_verified: false },
      { email_verified: 'true' },
      { email_verified: undefined },
      { email: 'ada' },
      { email: 'ada@acme.test, eve@evil.test' },
      { email: 'ada@acme.test\u0000.evil.test' },
      { email: ['ada@acme.test'] },
    ])
      expect(() => said('email', { ...claims, ...over })).toThrow(
        expect.objectContaining({ kind: 'invalid' }),
      );
  });

  it('a workload whose subject is a URI, and of nothing that only looks like one', () => {
    expect(said('uri', { sub: 'spiffe://acme.test/ci' }).name).toBe('uri spiffe://acme.test/ci');
    for (const sub of [
      'ci',
      '',
      'https://a.test/x https://b.test',
      'https://a.test/\u00e4',
      `https://a.test/${'x'.repeat(900)}\n`,
    ])
      expect(() => said('uri', { sub })).toThrow(expect.objectContaining({ kind: 'invalid' }));
  });
});
