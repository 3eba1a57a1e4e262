import type { Call, FieldDoc } from '../backend.ts';
import { checkCidrs } from '../credentials/cidr.ts';
import { badRequest } from '../errors.ts';
import type { JsonObject } from '../fields.ts';
import { requireEnvironments } from '../mounts/environment.ts';
import type { TokenLimits } from '../tokens/login.ts';

/** The `token_*` settings that every login method's roles have in common. */
export interface TokenSettings extends TokenLimits {
  readonly policies: readonly string[];
}

const types = ['default', 'service', 'batch', 'default-service', 'default-batch'] as const;

const defaults: TokenSettings = {
  policies: [],
  ttl: 0,
  maxTtl: 0,
  explicitMaxTtl: 0,
  period: 0,
  numUses: 0,
  boundCidrs: [],
  noDefaultPolicy: false,
  environments: [],
  type: 'default',
};

/**
 * Reads the settings of a role; what is absent stays as it was. The names without `token_` are those of old clients.
 * Tokens belong to the environment of the login method; one of the whole installation may give tokens for some only.
 */
export function readTokenSettings(
  { fields, caller, mount }: Pick<Call, 'fields' | 'caller' | 'mount'>,
  before: TokenSettings = defaults,
): TokenSettings {
  const asked = fields.text('token_type', before.type) || 'default';
  const type = types.find((each) => each === asked);
  if (type === undefined) throw badRequest(`invalid 'token_type' value ${JSON.stringify(asked)}`);
  const settings: TokenSettings = {
    policies: lowered(fields.findList('token_policies') ?? fields.findList('policies')) ?? before.policies,
    ttl: fields.findSeconds('token_ttl') ?? fields.findSeconds('ttl') ?? before.ttl,
    maxTtl: fields.findSeconds('token_max_ttl') ?? fields.findSeconds('max_ttl') ?? before.maxTtl,
    explicitMaxTtl: fields.findSeconds('token_explicit_max_ttl') ?? before.explicitMaxTtl,
    period: fields.findSeconds('token_period') ?? fields.findSeconds('period') ?? before.period,
    numUses: fields.findInteger('token_num_uses') ?? fields.findInteger('num_uses') ?? before.numUses,
    boundCidrs: fields.findList('token_bound_cidrs') ?? fields.findList('bound_cidrs') ?? before.boundCidrs,
    noDefaultPolicy: fields.findBoolean('token_no_default_policy') ?? before.noDefaultPolicy,
    environments: fields.findList('token_environments') ?? before.environments,
    type,
  };
  requireEnvironments(caller, mount, settings.environments);
  checkCidrs(settings.boundCidrs, 'token_bound_cidrs');
  if (settings.numUses < 0) throw badRequest('token_num_uses cannot be negative');
  if (settings.maxTtl !== 0 && settings.ttl > settings.maxTtl)
    throw badRequest('ttl should not be greater than max ttl');
  return settings;
}

/** The settings as a role's read shows them. */
export function describeTokenSettings(settings: TokenSettings): JsonObject {
  return {
    token_bound_cidrs: settings.boundCidrs,
    token_environments: settings.environments,
    token_explicit_max_ttl: settings.explicitMaxTtl,
    token_max_ttl: settings.maxTtl,
    token_no_default_policy: settings.noDefaultPolicy,
    token_num_uses: settings.numUses,
    token_period: settings.period,
    token_policies: settings.policies,
    token_ttl: settings.ttl,
    token_type: settings.type,
  };
}

export const tokenFieldDocs: Readonly<Record<string, FieldDoc>> = {
  token_policies: { type: 'list', doc: 'Policies of the tokens.' },
  token_ttl: { type: 'duration', doc: 'How long a token lives.' },
  token_max_ttl: { type: 'duration', doc: 'How long it lives at most, with renewals.' },
  token_explicit_max_ttl: { type: 'duration', doc: 'A hard end, also for periodic tokens.' },
  token_period: { type: 'duration', doc: 'Lives as long as it is renewed within this time.' },
  token_num_uses: { type: 'integer', doc: 'How often a token can be used; 0 is without limit.' },
  token_bound_cidrs: { type: 'list', doc: 'From where a token can be used.' },
  token_environments: {
    type: 'list',
    doc: 'Environments the tokens reach, where the login method belongs to the whole installation.',
  },
  token_no_default_policy: { type: 'boolean', doc: 'Leaves the policy "default" out.' },
  token_type: { type: 'string', doc: '`service`, `batch` or `default`.' },
};

function lowered(names: readonly string[] | undefined): readonly string[] | undefined {
  return names?.map((name) => name.toLowerCase());
}
