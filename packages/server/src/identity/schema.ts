import { Instant, Name, Text } from '@sallyport/contract';
import { Type } from 'typebox';

/** Requests and responses of /api/identity. */

const closed = { additionalProperties: false } as const;
const capability = Type.Union([
  Type.Literal('create'),
  Type.Literal('read'),
  Type.Literal('update'),
  Type.Literal('delete'),
  Type.Literal('list'),
  Type.Literal('approve'),
]);
const names = Type.Array(Name, { maxItems: 50 });
const emails = Type.Array(Text(254), { maxItems: 20 });
const ttlSeconds = Type.Integer({ minimum: 1, maximum: 366 * 24 * 3600 });

export const PrincipalView = Type.Object(
  {
    id: Text(100),
    kind: Type.Union([Type.Literal('person'), Type.Literal('workload'), Type.Literal('agent')]),
    name: Text(100),
    emails: Type.Array(Text(254)),
    groups: Type.Array(Text(63)),
    policies: Type.Array(Text(63)),
    disabled: Type.Boolean(),
    createdAt: Instant,
  },
  closed,
);

export const TokenView = Type.Object(
  {
    accessor: Text(100),
    principalId: Text(100),
    policies: Type.Array(Text(63)),
    description: Text(200),
    createdAt: Instant,
    expiresAt: Instant,
    revokedAt: Type.Optional(Instant),
    lastUsedAt: Type.Optional(Instant),
  },
  closed,
);

/** The only answers that carry a token; it is shown once. */
export const IssuedTokenView = Type.Object(
  { accessor: Text(100), token: Text(100), expiresAt: Instant },
  closed,
);

export const PolicyView = Type.Object(
  {
    name: Text(63),
    rules: Type.Array(
      Type.Object(
        {
          path: Text(500),
          capabilities: Type.Array(capability),
          effect: Type.Union([Type.Literal('allow'), Type.Literal('deny')]),
        },
        closed,
      ),
    ),
  },
  closed,
);

export const Me = Type.Object(
  {
    kind: Text(20),
    id: Text(100),
    name: Text(300),
    policies: Type.Array(Text(63)),
    groups: Type.Array(Text(63)),
  },
  closed,
);

export const LoginBody = Type.Object(
  { token: Text(100), name: Text(100), email: Text(254), ttlSeconds: Type.Optional(ttlSeconds) },
  closed,
);
export const LoginAnswer = Type.Object({ principal: PrincipalView, issued: IssuedTokenView }, closed);

export const NewPersonBody = Type.Object(
  { name: Text(100), emails, groups: Type.Optional(names), policies: Type.Optional(names) },
  closed,
);
export const NewWorkloadBody = Type.Object(
  {
    kind: Type.Union([Type.Literal('workload'), Type.Literal('agent')]),
    name: Name,
    policies: Type.Optional(names),
  },
  closed,
);
export const PrincipalChangeBody = Type.Object(
  {
    name: Type.Optional(Text(100)),
    emails: Type.Optional(emails),
    groups: Type.Optional(names),
    policies: Type.Optional(names),
    disabled: Type.Optional(Type.Boolean()),
  },
  closed,
);
export const NewTokenBody = Type.Object(
  { policies: Type.Optional(names), ttlSeconds, description: Type.Optional(Text(200)) },
  closed,
);
/** The rules are read by the policy parser, which says which segment of which pattern is wrong. */
export const PolicyBody = Type.Object({ rules: Type.Array(Type.Unknown(), { maxItems: 200 }) }, closed);

export const PrincipalList = Type.Object({ principals: Type.Array(PrincipalView) }, closed);
export const TokenList = Type.Object({ tokens: Type.Array(TokenView) }, closed);
export const PolicyList = Type.Object({ policies: Type.Array(PolicyView) }, closed);
