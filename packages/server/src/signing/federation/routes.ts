import { Name } from '@sallyport/contract';
import { Type } from 'typebox';
import type { Routes } from '#platform';
import type { Federation } from './federation.ts';
import { type FederationRule, maxClaims } from './rule.ts';

const Url = Type.String({ minLength: 1, maxLength: 1000 });
const RuleBody = Type.Object(
  {
    name: Name,
    kind: Type.String({ maxLength: 40 }),
    issuer: Url,
    audience: Type.String({ minLength: 1, maxLength: 300 }),
    claims: Type.Record(Type.String({ maxLength: 100 }), Type.String({ maxLength: 300 }), {
      maxProperties: maxClaims,
    }),
    jwksUrl: Type.Optional(Url),
    caPem: Type.Optional(Type.String({ maxLength: 65_536 })),
    webUrl: Type.Optional(Url),
  },
  { additionalProperties: false },
);
const FindingView = Type.Object({
  code: Type.String(),
  severity: Type.String(),
  claim: Type.Optional(Type.String()),
  why: Type.String(),
  fix: Type.String(),
});
const Findings = Type.Object({ findings: Type.Array(FindingView) });
const RuleView = Type.Object({ rule: RuleBody });

export function federationRoutes(federation: Federation): Routes {
  return (http) => {
    http.route({
      method: 'GET',
      path: '/api/federation/rules',
      summary: 'who gets a certificate for a token of another issuer',
      access: { kind: 'allowed', capability: 'list', path: () => 'federation' },
      response: Type.Object({ rules: Type.Array(RuleBody) }),
      handle: async () => ({ rules: (await federation.list()).map(view) }),
    });
    http.route({
      method: 'POST',
      path: '/api/federation/rules',
      summary: 'add a rule; what the linter refuses is not stored',
      access: { kind: 'allowed', capability: 'create', path: () => 'federation' },
      body: RuleBody,
      response: Type.Object({ rule: RuleBody, findings: Type.Array(FindingView) }),
      status: 201,
      handle: async ({ body, actor }) => {
        const { rule, findings } = await federation.add(body, actor);
        return { rule: view(rule), findings: [...findings] };
      },
    });
    http.route({
      method: 'POST',
      path: '/api/federation/lint',
      summary: 'what the linter says of a rule; nothing is stored',
      access: { kind: 'allowed', capability: 'read', path: () => 'federation' },
      body: RuleBody,
      response: Findings,
      handle: async ({ body }) => ({ findings: [...federation.lint(body)] }),
    });
    http.route({
      method: 'GET',
      path: '/api/federation/rules/:name',
      summary: 'one rule',
      access: { kind: 'allowed', capability: 'read', path: ({ name }) => `federation/${name}` },
      params: Type.Object({ name: Name }),
      response: RuleView,
      handle: async ({ params }) => ({ rule: view(await federation.get(params.name)) }),
    });
    http.route({
      method: 'DELETE',
      path: '/api/federation/rules/:name',
      summary: 'remove a rule: from now on nobody gets in by it',
      access: { kind: 'allowed', capability: 'delete', path: ({ name }) => `federation/${name}` },
      params: Type.Object({ name: Name }),
      handle: async ({ params, actor }) => {
        await federation.remove(params.name, actor);
        return undefined;
      },
    });
  };
}

function view(rule: FederationRule) {
  const { name, kind, issuer, audience, claims, jwksUrl, caPem, webUrl } = rule;
  return {
    name,
    kind,
    issuer,
    audience,
    claims,
    ...(jwksUrl === undefined ? {} : { jwksUrl }),
    ...(caPem === '' ? {} : { caPem }),
    ...(webUrl === undefined ? {} : { webUrl }),
  };
}
