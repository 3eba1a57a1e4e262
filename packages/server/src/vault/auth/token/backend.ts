import type { Backend, Call, Reply } from '../../backend.ts';
import { badRequest, permissionDenied } from '../../errors.ts';
import { renewToken } from '../../tokens/renew.ts';
import { revokeOrphaning, revokeToken } from '../../tokens/tokens.ts';
import { callerOf, createFromRole, createOrphan, createToken } from './create.ts';
import { describeToken } from './lookup.ts';
import {
  listedTokens,
  type Subject,
  subjectByAccessor,
  subjectByToken,
  subjectSelf,
  subjectToShow,
} from './of-request.ts';
import { deleteRole, hasRole, listRoles, readRole, writeRole } from './roles.ts';

type Find = (call: Call) => Subject;

const lookup =
  (find: Find) =>
  (call: Call): Reply => {
    const { entry, id } = find(call);
    return { data: describeToken(call, entry, id) };
  };

const renew =
  (find: Find) =>
  (call: Call): Reply => {
    const subject = find(call);
    const { entry, warning } = renewToken(call.turn, subject.entry, call.fields.seconds('increment', 0));
    return {
      issued: { token: subject.id, entry },
      ...(warning === undefined ? {} : { warnings: [warning] }),
    };
  };

const revoke =
  (find: Find) =>
  (call: Call): Reply => {
    revokeToken(call.turn, find(call).entry.accessor);
    return {};
  };

function revokeByToken(call: Call): Reply {
  // A token that is gone already is what the caller wanted.
  const subject = tokenOrNothing(call);
  if (subject !== undefined) revokeToken(call.turn, subject.entry.accessor);
  return {};
}

function revokeOrphan(call: Call): Reply {
  const { entry } = subjectByToken(call);
  revokeOrphaning(call.turn, entry.accessor);
  return {};
}

function tokenOrNothing(call: Call): Subject | undefined {
  if (call.fields.findText('token') === undefined) throw badRequest('missing token ID');
  try {
    return subjectByToken(call);
  } catch {
    return undefined;
  }
}

function listAccessors(call: Call): Reply {
  if (callerOf(call).token.accessor === '') throw permissionDenied();
  return { data: { keys: listedTokens(call).map((entry) => entry.accessor) } };
}

/** Everything an expired token left was removed with it, so there is nothing to tidy; clients wait for the 202's text. */
function tidy(): Reply {
  return { warnings: ['Tidy operation successfully started. Nothing is left behind by expired tokens.'] };
}

const tokenField = { token: { type: 'string', doc: 'The token.' } } as const;
const accessorField = { accessor: { type: 'string', doc: "The token's accessor." } } as const;
const incrementField = { increment: { type: 'duration', doc: 'How long it shall live from now.' } } as const;
const createFields = {
  policies: { type: 'list', doc: 'Policies; those of the parent when absent.' },
  ttl: { type: 'duration', doc: 'How long it lives.' },
  explicit_max_ttl: { type: 'duration', doc: 'How long it lives at most, however often it is renewed.' },
  period: { type: 'duration', doc: 'Lives as long as it is renewed within this time.' },
  num_uses: { type: 'integer', doc: 'How often it can be used; 0 is without limit.' },
  renewable: { type: 'boolean', doc: 'Whether it can be renewed.' },
  no_parent: { type: 'boolean', doc: 'Whether it outlives the token it is made with.' },
  no_default_policy: { type: 'boolean', doc: 'Leaves the policy "default" out.' },
  meta: { type: 'map', doc: 'Texts for the audit log.' },
  display_name: { type: 'string', doc: 'How audit and lookups name it.' },
  type: { type: 'string', doc: '`service` or `batch`.' },
  environments: {
    type: 'list',
    doc: 'Environments it may reach, `project/environment`; those of the parent when absent.',
  },
} as const;

/** `auth/token`: tokens about tokens. */
export const tokenBackend: Backend = {
  type: 'token',
  description: 'Makes, looks up, renews and revokes tokens.',
  paths: [
    {
      pattern: 'create',
      synopsis: 'Makes a child token.',
      fields: createFields,
      on: { update: createToken },
    },
    {
      pattern: 'create-orphan',
      synopsis: 'Makes a token without a parent.',
      fields: createFields,
      sudo: true,
      on: { update: createOrphan },
    },
    {
      pattern: 'create/:role',
      synopsis: 'Makes a token as a role says.',
      fields: createFields,
      on: { update: createFromRole },
    },
    {
      pattern: 'lookup',
      synopsis: 'Shows a token.',
      fields: tokenField,
      on: { update: lookup(subjectToShow), read: lookup(subjectToShow) },
    },
    {
      pattern: 'lookup/:token',
      synopsis: 'Shows a token.',
      on: { read: lookup(subjectToShow), update: lookup(subjectToShow) },
    },
    {
      pattern: 'lookup-self',
      synopsis: 'Shows the token of the request.',
      on: { read: lookup(subjectSelf), update: lookup(subjectSelf) },
    },
    {
      pattern: 'lookup-accessor',
      synopsis: 'Shows the token of an accessor.',
      fields: accessorField,
      on: { update: lookup(subjectByAccessor) },
    },
    {
      pattern: 'lookup-accessor/:accessor',
      synopsis: 'Shows the token of an accessor.',
      on: { update: lookup(subjectByAccessor) },
    },
    {
      pattern: 'renew',
      synopsis: 'Renews a token.',
      fields: { ...tokenField, ...incrementField },
      on: { update: renew(subjectByToken) },
    },
    {
      pattern: 'renew/:token',
      synopsis: 'Renews a token.',
      fields: incrementField,
      on: { update: renew(subjectByToken) },
    },
    {
      pattern: 'renew-self',
      synopsis: 'Renews the token of the request.',
      fields: incrementField,
      on: { update: renew(subjectSelf) },
    },
    {
      pattern: 'renew-accessor',
      synopsis: 'Renews the token of an accessor.',
      fields: { ...accessorField, ...incrementField },
      on: { update: renew(subjectByAccessor) },
    },
    {
      pattern: 'revoke',
      synopsis: 'Revokes a token and all tokens made with it.',
      fields: tokenField,
      on: { update: revokeByToken },
    },
    {
      pattern: 'revoke/:token',
      synopsis: 'Revokes a token and all tokens made with it.',
      on: { update: revoke(subjectByToken) },
    },
    {
      pattern: 'revoke-self',
      synopsis: 'Revokes the token of the request.',
      on: { update: revoke(subjectSelf) },
    },
    {
      pattern: 'revoke-accessor',
      synopsis: 'Revokes the token of an accessor.',
      fields: accessorField,
      on: { update: revoke(subjectByAccessor) },
    },
    {
      pattern: 'revoke-orphan',
      synopsis: 'Revokes a token; those made with it stay, without a parent.',
      fields: tokenField,
      sudo: true,
      on: { update: revokeOrphan },
    },
    {
      pattern: 'accessors',
      synopsis: 'Lists the accessors of all tokens.',
      sudo: true,
      on: { list: listAccessors },
    },
    {
      pattern: 'roles/:role',
      synopsis: 'What tokens made through a role are like.',
      exists: hasRole,
      on: { read: readRole, update: writeRole, delete: deleteRole },
    },
    { pattern: 'roles', synopsis: 'Lists roles.', on: { list: listRoles } },
    {
      pattern: 'tidy',
      synopsis: 'Removes what expired tokens left behind.',
      sudo: true,
      on: { update: tidy },
    },
  ],
};
