import type { Settings } from '../method/settings.ts';

/** The configuration of a mount; the client secret is not among them, because nobody reads it back. */
export const configSettings: Settings = {
  oidc_discovery_url: {
    kind: 'text',
    absent: '',
    doc: 'The issuer; its keys are found by OpenID Connect Discovery.',
  },
  oidc_discovery_ca_pem: { kind: 'text', absent: '', doc: 'Authorities to believe the issuer by, as PEM.' },
  oidc_client_id: {
    kind: 'text',
    absent: '',
    doc: 'How the issuer knows this server, for people who log in.',
  },
  oidc_response_mode: {
    kind: 'text',
    absent: '',
    doc: 'How the issuer gives its answer; `query` is the only one.',
  },
  oidc_response_types: { kind: 'list', absent: [], doc: 'What the issuer answers; `code` is the only one.' },
  jwks_url: { kind: 'text', absent: '', doc: 'Where the keys are, instead of a discovery.' },
  jwks_ca_pem: { kind: 'text', absent: '', doc: 'Authorities to believe jwks_url by, as PEM.' },
  jwks_pairs: {
    kind: 'objects',
    absent: [],
    doc: 'Several of jwks_url and jwks_ca_pem; keys of any are taken.',
  },
  jwt_validation_pubkeys: { kind: 'list', absent: [], doc: 'The keys themselves, as PEM.' },
  bound_issuer: { kind: 'text', absent: '', doc: 'What the claim iss must be.' },
  jwt_supported_algs: {
    kind: 'list',
    absent: [],
    doc: 'Algorithms to accept; all asymmetric ones when empty.',
  },
  default_role: { kind: 'text', absent: '', doc: 'The role of a login that names none.' },
  namespace_in_state: {
    kind: 'boolean',
    absent: true,
    doc: 'Kept, and without a meaning here: there are no namespaces.',
  },
  provider_config: {
    kind: 'object',
    absent: {},
    doc: 'Settings for single issuers; none is supported, so it must be empty.',
  },
};

/** A role, beside the settings of its tokens. */
export const roleSettings: Settings = {
  role_type: { kind: 'text', absent: 'oidc', doc: '`jwt` for programs, `oidc` for people.' },
  bound_audiences: {
    kind: 'list',
    absent: [],
    doc: 'One of them must be in aud; required when a token has aud.',
  },
  bound_subject: { kind: 'text', absent: '', doc: 'What the claim sub must be.' },
  bound_claims_type: {
    kind: 'text',
    absent: 'string',
    doc: '`string`, or `glob` for bound_claims with `*` in them.',
  },
  bound_claims: {
    kind: 'object',
    absent: {},
    doc: 'Claims a token must have, each with its value or a list of values.',
  },
  claim_mappings: {
    kind: 'map',
    absent: {},
    doc: "Claims that become metadata of the entity's alias, and under which name.",
  },
  user_claim: { kind: 'text', absent: '', doc: 'The claim that says who it is.' },
  user_claim_json_pointer: {
    kind: 'boolean',
    absent: false,
    doc: 'Whether user_claim is a JSON pointer and no name.',
  },
  groups_claim: {
    kind: 'text',
    absent: '',
    doc: 'The claim that lists groups, for aliases of external groups.',
  },
  expiration_leeway: {
    kind: 'leeway',
    absent: 0,
    doc: 'How long a token without exp lives; 150 s when 0, none when negative.',
  },
  not_before_leeway: {
    kind: 'leeway',
    absent: 0,
    doc: 'How long before exp a token without nbf and iat began; 150 s when 0.',
  },
  clock_skew_leeway: {
    kind: 'leeway',
    absent: 0,
    doc: 'How far the clocks may be apart; 60 s when 0, none when negative.',
  },
  max_age: {
    kind: 'duration',
    absent: 0,
    doc: 'How long ago the person may have proved herself to the issuer; any time when 0.',
  },
  oidc_scopes: { kind: 'list', absent: [], doc: 'What to ask of the issuer beside `openid`.' },
  allowed_redirect_uris: { kind: 'list', absent: [], doc: 'Where the issuer may send people back to.' },
  verbose_oidc_logging: {
    kind: 'boolean',
    absent: false,
    doc: 'Kept, and without a meaning here: tokens are never logged.',
  },
};
