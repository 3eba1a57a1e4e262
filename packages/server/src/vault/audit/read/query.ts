import { Fault } from '@sallyport/formats';
import { type Static, Type } from 'typebox';
import type { AuditFilter } from './search.ts';

const closed = { additionalProperties: false } as const;
const Short = Type.String({ minLength: 1, maxLength: 1024 });
const Time = Type.String({ maxLength: 40, description: 'RFC 3339, such as 2026-11-20T10:00:00Z' });

const filters = {
  since: Type.Optional(Time),
  until: Type.Optional(Time),
  type: Type.Optional(Type.Union([Type.Literal('request'), Type.Literal('response')])),
  path: Type.Optional(Short),
  operation: Type.Optional(Short),
  entity: Type.Optional(Short),
  displayName: Type.Optional(Short),
  /** As it is, or hashed as the audit has it. */
  accessor: Type.Optional(Short),
  requestId: Type.Optional(Short),
  errors: Type.Optional(Type.Boolean()),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
  after: Type.Optional(Type.String({ maxLength: 60 })),
  wait: Type.Optional(Type.Integer({ minimum: 0, maximum: 25 })),
};

/** In a URL: nothing in it is a value of anybody's. */
export const AuditQuery = Type.Object(filters, closed);

/** In a body: with a value to search for, which must not stand in a URL, as those are logged everywhere. */
export const AuditSearch = Type.Object(
  { ...filters, value: Type.Optional(Type.String({ maxLength: 65_536 })) },
  closed,
);

export const AuditPage = Type.Object(
  {
    lines: Type.Array(Type.Object({ time: Type.String({ maxLength: 30 }), entry: Type.Unknown() }, closed)),
    next: Type.String({ maxLength: 60 }),
    complete: Type.Boolean(),
    read: Type.Integer(),
    malformed: Type.Integer(),
  },
  closed,
);

export const AuditEnd = Type.Object({ next: Type.String({ maxLength: 60 }) }, closed);

const defaultLimit = 100;

/** `hash` is that of the journal's own lines. Throws `vault.audit_filter`. */
export function filterOf(asked: Static<typeof AuditSearch>, hash: (text: string) => string): AuditFilter {
  const { since, until, type, path, operation, entity, displayName, accessor, requestId, errors, value } =
    asked;
  return {
    limit: asked.limit ?? defaultLimit,
    ...(since === undefined ? {} : { since: timeOf('since', since) }),
    ...(until === undefined ? {} : { until: timeOf('until', until) }),
    ...(type === undefined ? {} : { type }),
    ...(path === undefined ? {} : { path }),
    ...(operation === undefined ? {} : { operation }),
    ...(entity === undefined ? {} : { entityId: entity }),
    ...(displayName === undefined ? {} : { displayName }),
    ...(accessor === undefined ? {} : { accessor: isHash(accessor) ? accessor : hash(accessor) }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(value === undefined ? {} : { hash: isHash(value) ? value : hash(value) }),
    ...(errors === true ? { errorsOnly: true } : {}),
  };
}

/** What `sys/audit-hash` of the device `ledger` gave. */
function isHash(text: string): boolean {
  return /^hmac-sha256:[0-9a-f]{64}$/.test(text);
}

// Date.parse alone takes what nobody means, such as "1" or a time without a zone.
const rfc3339 =
  /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})$/;

function timeOf(name: string, text: string): number {
  const time = rfc3339.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw new Fault(
    'invalid',
    'vault.audit_filter',
    `expected '${name}' as a time such as 2026-11-20T10:00:00Z, got '${text}'`,
  );
}
