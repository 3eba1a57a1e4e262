import type { Call, Records, Reply } from '../../backend.ts';
import { checkCidrs } from '../../credentials/cidr.ts';
import { badRequest, nothingHere } from '../../errors.ts';
import type { JsonObject } from '../../fields.ts';
import { jsonCodec } from '../../records.ts';

/** What tokens made through a role are like. */
export interface TokenRole {
  readonly name: string;
  readonly allowedPolicies: readonly string[];
  readonly allowedPoliciesGlob: readonly string[];
  readonly disallowedPolicies: readonly string[];
  readonly disallowedPoliciesGlob: readonly string[];
  readonly allowedEntityAliases: readonly string[];
  readonly orphan: boolean;
  readonly renewable: boolean;
  readonly noDefaultPolicy: boolean;
  readonly pathSuffix: string;
  /** Seconds. */
  readonly period: number;
  readonly explicitMaxTtl: number;
  readonly numUses: number;
  readonly boundCidrs: readonly string[];
  readonly type: 'service' | 'batch' | 'default-service' | 'default-batch';
}

const codec = jsonCodec<TokenRole>(true);
const directory = 'role/';
const types = ['service', 'batch', 'default-service', 'default-batch'] as const;

export function findTokenRole(store: Records, name: string): TokenRole | undefined {
  return store.read(directory + name, codec);
}

export function hasRole(call: Call): boolean {
  return findTokenRole(call.store, nameOf(call)) !== undefined;
}

export function writeRole(call: Call): Reply {
  const { fields, store } = call;
  const name = nameOf(call);
  const before = findTokenRole(store, name);
  const asked = fields.text('token_type', before?.type ?? 'default-service') || 'default-service';
  const type = types.find((each) => each === asked);
  if (type === undefined) throw badRequest(`expected a token_type of ${types.join(', ')}`);
  const names = (field: string, absent: readonly string[] | undefined): readonly string[] =>
    (fields.findList(field) ?? absent ?? []).map((each) => each.toLowerCase());
  const boundCidrs =
    fields.findList('token_bound_cidrs') ?? fields.findList('bound_cidrs') ?? before?.boundCidrs ?? [];
  checkCidrs(boundCidrs, 'token_bound_cidrs');
  store.write(directory + name, codec, {
    name,
    allowedPolicies: names('allowed_policies', before?.allowedPolicies),
    allowedPoliciesGlob: names('allowed_policies_glob', before?.allowedPoliciesGlob),
    disallowedPolicies: names('disallowed_policies', before?.disallowedPolicies),
    disallowedPoliciesGlob: names('disallowed_policies_glob', before?.disallowedPoliciesGlob),
    allowedEntityAliases: fields.findList('allowed_entity_aliases') ?? before?.allowedEntityAliases ?? [],
    orphan: fields.boolean('orphan', before?.orphan ?? false),
    renewable: fields.boolean('renewable', before?.renewable ?? true),
    noDefaultPolicy: fields.boolean('token_no_default_policy', before?.noDefaultPolicy ?? false),
    pathSuffix: fields.text('path_suffix', before?.pathSuffix ?? ''),
    period: fields.findSeconds('token_period') ?? fields.seconds('period', before?.period ?? 0),
    explicitMaxTtl:
      fields.findSeconds('token_explicit_max_ttl') ??
      fields.seconds('explicit_max_ttl', before?.explicitMaxTtl ?? 0),
    numUses: fields.integer('token_num_uses', before?.numUses ?? 0),
    boundCidrs,
    type,
  });
  return {};
}

export function readRole(call: Call): Reply {
  const role = findTokenRole(call.store, nameOf(call));
  if (role === undefined) throw nothingHere();
  return { data: describeRole(role) };
}

export function deleteRole(call: Call): Reply {
  call.store.delete(directory + nameOf(call));
  return {};
}

export function listRoles(call: Call): Reply {
  const keys = call.store.list(directory);
  if (keys.length === 0) throw nothingHere();
  return { data: { keys } };
}

/** Old names of fields beside the new ones: clients read either. */
function describeRole(role: TokenRole): JsonObject {
  return {
    allowed_entity_aliases: role.allowedEntityAliases,
    allowed_policies: role.allowedPolicies,
    allowed_policies_glob: role.allowedPoliciesGlob,
    disallowed_policies: role.disallowedPolicies,
    disallowed_policies_glob: role.disallowedPoliciesGlob,
    explicit_max_ttl: role.explicitMaxTtl,
    name: role.name,
    orphan: role.orphan,
    path_suffix: role.pathSuffix,
    period: role.period,
    renewable: role.renewable,
    token_bound_cidrs: role.boundCidrs,
    token_explicit_max_ttl: role.explicitMaxTtl,
    token_no_default_policy: role.noDefaultPolicy,
    token_num_uses: role.numUses,
    token_period: role.period,
    token_type: role.type,
  };
}

function nameOf(call: Call): string {
  const name = call.params['role'] ?? '';
  if (!/^[\w.-]{1,128}$/.test(name))
    throw badRequest('expected a role name of letters, digits, ".", "_" and "-"');
  return name;
}
