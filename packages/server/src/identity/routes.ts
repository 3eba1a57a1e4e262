import type { Static } from 'typebox';
import type { Http, Routes } from '#platform';
import type { Identity } from './identity.ts';
import type { Principal } from './people/principal.ts';
import type { StoredPolicy } from './policy/store.ts';
import {
  IssuedTokenView,
  LoginAnswer,
  LoginBody,
  Me,
  NewPersonBody,
  NewTokenBody,
  NewWorkloadBody,
  PolicyBody,
  PolicyList,
  PolicyView,
  PrincipalChangeBody,
  PrincipalList,
  PrincipalView,
  TokenList,
  TokenView,
} from './schema.ts';
import type { IssuedToken, Token } from './tokens/token.ts';

const defaultLoginSeconds = 30 * 24 * 3600;

/** `/api/identity` and the issuer's documents. */
export function identityRoutes(identity: Identity): Routes {
  return (http) => {
    issuerRoutes(http, identity);
    sessionRoutes(http, identity);
    principalRoutes(http, identity);
    tokenRoutes(http, identity);
    policyRoutes(http, identity);
  };
}

function issuerRoutes(http: Http, identity: Identity): void {
  const reason = 'whoever federates with us reads it without knowing us';
  http.route({
    method: 'GET',
    path: '/.well-known/openid-configuration',
    summary: 'OpenID Connect discovery for the identity tokens of steps',
    access: { kind: 'public', reason },
    handle: async () => identity.discovery(),
  });
  http.route({
    method: 'GET',
    path: '/.well-known/jwks.json',
    summary: 'The public keys of the identity tokens of steps',
    access: { kind: 'public', reason },
    handle: () => identity.jwks(),
  });
}

function sessionRoutes(http: Http, identity: Identity): void {
  http.route({
    method: 'POST',
    path: '/api/identity/login',
    summary: 'Exchanges the bootstrap token for the first administrator',
    access: {
      kind: 'public',
      reason: 'nobody exists yet who could sign in; the token in the body is the credential',
    },
    body: LoginBody,
    response: LoginAnswer,
    bodyLimitBytes: 4096,
    handle: async ({ body: { token, name, email, ttlSeconds = defaultLoginSeconds } }) => {
      const { person, issued } = await identity.login(token, { name, email, ttlSeconds });
      return { principal: viewPrincipal(person), issued: viewIssued(issued) };
    },
  });
  http.route({
    method: 'GET',
    path: '/api/identity/me',
    summary: 'Who the caller is',
    access: { kind: 'authenticated', reason: 'says nothing but what the token says' },
    response: Me,
    handle: async ({ actor: { kind, id, name, policies, groups } }) => ({
      kind,
      id,
      name,
      policies: [...policies],
      groups: [...groups],
    }),
  });
}

function principalRoutes(http: Http, identity: Identity): void {
  http.route({
    method: 'GET',
    path: '/api/identity/principals',
    summary: 'All people, workloads and agents',
    access: { kind: 'allowed', capability: 'list', path: () => 'identity/principals' },
    response: PrincipalList,
    handle: async () => ({
      principals: (await identity.listPrincipals(['person', 'workload', 'agent'])).map(viewPrincipal),
    }),
  });
  http.route({
    method: 'GET',
    path: '/api/identity/principals/:id',
    summary: 'One of them',
    access: { kind: 'allowed', capability: 'read', path: ({ id }) => `identity/principals/${id}` },
    response: PrincipalView,
    handle: async ({ params }) => viewPrincipal(await identity.getPrincipal(params.id)),
  });
  http.route({
    method: 'POST',
    path: '/api/identity/persons',
    summary: 'Adds a person',
    access: { kind: 'allowed', capability: 'create', path: () => 'identity/principals' },
    body: NewPersonBody,
    response: PrincipalView,
    status: 201,
    handle: async ({ actor, body }) => viewPrincipal(await identity.createPerson(actor, body)),
  });
  http.route({
    method: 'POST',
    path: '/api/identity/workloads',
    summary: 'Adds a workload or an agent',
    access: { kind: 'allowed', capability: 'create', path: () => 'identity/principals' },
    body: NewWorkloadBody,
    response: PrincipalView,
    status: 201,
    handle: async ({ actor, body }) => viewPrincipal(await identity.createWorkload(actor, body)),
  });
  http.route({
    method: 'PATCH',
    path: '/api/identity/principals/:id',
    summary: 'Changes one of them; absent fields stay',
    access: { kind: 'allowed', capability: 'update', path: ({ id }) => `identity/principals/${id}` },
    body: PrincipalChangeBody,
    response: PrincipalView,
    handle: async ({ actor, params, body }) =>
      viewPrincipal(await identity.updatePrincipal(actor, params.id, body)),
  });
}

function tokenRoutes(http: Http, identity: Identity): void {
  http.route({
    method: 'POST',
    path: '/api/identity/principals/:id/tokens',
    summary: 'Makes a token; the answer is the only place that ever shows it',
    access: { kind: 'allowed', capability: 'create', path: ({ id }) => `identity/tokens/${id}` },
    body: NewTokenBody,
    response: IssuedTokenView,
    status: 201,
    handle: async ({ actor, params, body }) =>
      viewIssued(await identity.createToken(actor, { principalId: params.id, ...body })),
  });
  http.route({
    method: 'GET',
    path: '/api/identity/principals/:id/tokens',
    summary: 'The tokens of a principal, by accessor',
    access: { kind: 'allowed', capability: 'list', path: ({ id }) => `identity/tokens/${id}` },
    response: TokenList,
    handle: async ({ params }) => ({ tokens: (await identity.listTokens(params.id)).map(viewToken) }),
  });
  http.route({
    method: 'GET',
    path: '/api/identity/tokens/:accessor',
    summary: 'One token, by accessor',
    access: { kind: 'allowed', capability: 'read', path: ({ accessor }) => `identity/accessors/${accessor}` },
    response: TokenView,
    handle: async ({ params }) => viewToken(await identity.lookupToken(params.accessor)),
  });
  http.route({
    method: 'DELETE',
    path: '/api/identity/tokens/:accessor',
    summary: 'Revokes a token, at once',
    access: {
      kind: 'allowed',
      capability: 'delete',
      path: ({ accessor }) => `identity/accessors/${accessor}`,
    },
    handle: async ({ actor, params }) => identity.revokeToken(actor, params.accessor),
  });
}

function policyRoutes(http: Http, identity: Identity): void {
  http.route({
    method: 'GET',
    path: '/api/identity/policies',
    summary: 'All policies, the built-in ones first',
    access: { kind: 'allowed', capability: 'list', path: () => 'identity/policies' },
    response: PolicyList,
    handle: async () => ({ policies: (await identity.listPolicies()).map(viewPolicy) }),
  });
  http.route({
    method: 'GET',
    path: '/api/identity/policies/:name',
    summary: 'One policy',
    access: { kind: 'allowed', capability: 'read', path: ({ name }) => `identity/policies/${name}` },
    response: PolicyView,
    handle: async ({ params }) => viewPolicy(await identity.getPolicy(params.name)),
  });
  http.route({
    method: 'PUT',
    path: '/api/identity/policies/:name',
    summary: 'Creates or replaces a policy; only administrators',
    access: { kind: 'allowed', capability: 'update', path: ({ name }) => `identity/policies/${name}` },
    body: PolicyBody,
    response: PolicyView,
    handle: async ({ actor, params, body }) =>
      viewPolicy(await identity.putPolicy(actor, params.name, body.rules)),
  });
  http.route({
    method: 'DELETE',
    path: '/api/identity/policies/:name',
    summary: 'Removes a policy; only administrators',
    access: { kind: 'allowed', capability: 'delete', path: ({ name }) => `identity/policies/${name}` },
    handle: async ({ actor, params }) => identity.removePolicy(actor, params.name),
  });
}

function viewPrincipal(principal: Principal): Static<typeof PrincipalView> {
  const { id, kind, name, disabled } = principal;
  return {
    id,
    kind,
    name,
    disabled,
    emails: [...principal.emails],
    groups: [...principal.groups],
    policies: [...principal.policies],
    createdAt: principal.createdAt.toISOString(),
  };
}

/** Without the hash: it is no secret, but nobody needs it. */
function viewToken(token: Token): Static<typeof TokenView> {
  return {
    accessor: token.accessor,
    principalId: token.principalId,
    policies: [...token.policies],
    description: token.description,
    createdAt: token.createdAt.toISOString(),
    expiresAt: token.expiresAt.toISOString(),
    ...(token.revokedAt === undefined ? {} : { revokedAt: token.revokedAt.toISOString() }),
    ...(token.lastUsedAt === undefined ? {} : { lastUsedAt: token.lastUsedAt.toISOString() }),
  };
}

function viewIssued(issued: IssuedToken): Static<typeof IssuedTokenView> {
  const view = {
    accessor: issued.accessor,
    token: issued.token.exposeUtf8(),
    expiresAt: issued.expiresAt.toISOString(),
  };
  issued.token.wipe();
  return view;
}

function viewPolicy(policy: StoredPolicy): Static<typeof PolicyView> {
  return {
    name: policy.name,
    rules: policy.rules.map(({ path, capabilities, effect }) => ({
      path,
      capabilities: [...capabilities],
      effect,
    })),
  };
}
